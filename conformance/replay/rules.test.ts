import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange, Json } from './recordings.ts'
import { type TodaysAnswer, todaysAnswer } from './rules.ts'
import { exchange } from './sample-recording.ts'

const softDelete = { hasSoftDelete: true, retentionDays: 90, hasPurgeProtection: false, usesRbac: false }

function today(recorded: Exchange, source = 'sdk-go', vault = softDelete): TodaysAnswer {
  return todaysAnswer({ exchange: recorded, target: { area: 'secrets', name: 'cake' }, source, vault })
}

function answered(date: string, status: number, body: Json, headers: Record<string, string> = {}): Exchange {
  return exchange(1, 'DELETE', '/secrets/cake?api-version=7.0', status, body, { headers: { date, ...headers } })
}

test('an answer of today is left as it is', () => {
  const recorded = answered('Tue, 28 Mar 2024 22:05:54 GMT', 200, { value: [], nextLink: null })
  assert.deepEqual(today(recorded).applied, [])
})

test('the software headers of old servers are not expected any more, but from today’s servers they would be', () => {
  const headers = { 'x-powered-by': 'ASP.NET', server: 'Microsoft-IIS/10.0' }
  const old = today(answered('Tue, 11 Jun 2019 02:12:58 GMT', 200, {}, headers))
  assert.equal(old.expected.headers['x-powered-by'], undefined)
  assert.equal(old.expected.headers.server, undefined)
  const recent = today(answered('Tue, 28 Mar 2023 22:05:54 GMT', 200, {}, headers))
  assert.equal(recent.expected.headers['x-powered-by'], 'ASP.NET')
})

test('a challenge of 2018 is expected with today’s body and login host', () => {
  const challenge = 'Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net"'
  const { expected } = today(answered('Fri, 22 Jun 2018 17:38:25 GMT', 401, null, { 'www-authenticate': challenge }))
  assert.match(expected.headers['www-authenticate'] ?? '', /"https:\/\/login\.microsoftonline\.com\/t"/)
  assert.equal(expected.headers['content-type'], 'application/json; charset=utf-8')
  assert.deepEqual(expected.body, {
    error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer or PoP token.' },
  })
})

test('the short message about a missing secret is expected in its long form', () => {
  const body = { error: { code: 'SecretNotFound', message: 'Secret not found: cake' } }
  const { expected, applied } = today(answered('Tue, 11 Jun 2019 23:48:46 GMT', 404, body))
  assert.match(JSON.stringify(expected.body), /A secret with \(name\/id\) cake was not found/)
  assert.ok(applied.includes('short-not-found-message'))
})

test('a request id is expected though the recorder dropped it', () => {
  const recorded = answered('Tue, 25 Jul 2023 07:40:34 GMT', 200, {})
  const dropped = Object.fromEntries(
    Object.entries(recorded.responseHeaders).filter(([name]) => name !== 'x-ms-request-id'),
  )
  const { expected } = today({ ...recorded, responseHeaders: dropped }, 'azure-cli')
  assert.ok(expected.headers['x-ms-request-id'])
  assert.equal(today({ ...recorded, responseHeaders: dropped }).expected.headers['x-ms-request-id'], undefined)
})

test('a deletion in a vault without soft delete is expected with the members of a deleted secret, in front', () => {
  const body = { id: 'https://recorded.vault.azure.net/secrets/cake/1', attributes: { recoveryLevel: 'Purgeable' } }
  const recorded = answered('Tue, 11 Jun 2019 02:15:00 GMT', 200, body)
  const { expected } = today(recorded, 'sdk-go', { ...softDelete, hasSoftDelete: false })
  assert.deepEqual(Object.keys(Object(expected.body)), [
    'recoveryId',
    'deletedDate',
    'scheduledPurgeDate',
    'id',
    'attributes',
  ])
  assert.match(JSON.stringify(expected.body), /"recoveryLevel":"Recoverable\+Purgeable"/)
})
