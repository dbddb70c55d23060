/** The same requests by every api-version: what older clients see, and what versions we do not know are taken for. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestAnswer, type TestServer } from '../../support/test-server.ts'
import { versionOf } from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

/** From before recoverable days were told. */
const WITHOUT_RECOVERABLE_DAYS = ['2016-10-01', '2015-06-01', '7.0', '7.0-preview', '0.0', '2017-12-31', '6.9']
const WITH_RECOVERABLE_DAYS = [
  ...['7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'],
  ...['7.1-preview', '7.2-preview', '7.3-preview', '7.5-preview.1', '7.6-preview.2'],
  ...['2025-06-01-preview', '2025-07-01-preview', '2026-07-01-preview', '2027-01-01', '9999-12-31', '8.0', '7.99'],
]

interface Walk {
  readonly answers: readonly TestAnswer[]
  /** Every body, with what differs from walk to walk made alike. */
  readonly texts: readonly string[]
}

/** Every operation that answers an object or a list, by one api-version. */
async function walk(apiVersion: string): Promise<Walk> {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const ask = (method: string, path: string, body?: unknown) =>
    call(method, `${path}${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`, body)
  const full = { value: 'v', contentType: 'text', tags: { a: 'b' }, attributes: { nbf: 1, exp: 4_000_000_000 } }
  const answers = [
    await ask('PUT', '/secrets/a', full),
    await ask('PUT', '/secrets/a', { value: 'w' }),
    await ask('PUT', '/secrets/b', { value: 'w' }),
    await ask('GET', '/secrets/a'),
    await ask('GET', '/secrets/a?outContentType='),
    await ask('PATCH', '/secrets/a', { tags: {} }),
    await ask('GET', '/secrets'),
    await ask('GET', '/secrets?maxresults=1'),
    await ask('GET', '/secrets/b/versions'),
    await ask('DELETE', '/secrets/a'),
    await ask('GET', '/deletedsecrets/a'),
    await ask('GET', '/deletedsecrets'),
    await ask('POST', '/deletedsecrets/a/recover'),
    await ask('DELETE', '/secrets/b'),
    await ask('DELETE', '/deletedsecrets/b'),
  ]
  const backup = await ask('POST', '/secrets/a/backup')
  await ask('DELETE', '/secrets/a')
  await ask('DELETE', '/deletedsecrets/a')
  answers.push(await ask('POST', '/secrets/restore', { value: backup.json.value }))
  answers.push(await ask('GET', '/secrets/none'), await ask('PUT', '/secrets/a_b', { value: 'v' }))
  const texts = answers.map(({ status, text }) =>
    `${status} ${text}`
      .replaceAll(vault.name, 'NAME')
      .replaceAll(/[0-9a-f]{32}/g, 'VERSION')
      .replaceAll(`api-version=${apiVersion}`, 'api-version=ASKED'),
  )
  return { answers, texts }
}

const NEWEST = '2026-04-01'
const OUT_CONTENT_TYPE = 4

/** Versions before this one ignore the parameter; of a secret without a certificate nothing can be converted. */
const knowsConversions = (apiVersion: string) => /^\d{4}-/.test(apiVersion) && apiVersion >= '2025-07-01'

test('every version from 7.1 on answers the same', async () => {
  const newest = await walk(NEWEST)
  assert.equal(newest.answers[OUT_CONTENT_TYPE]?.status, 400)
  for (const apiVersion of WITH_RECOVERABLE_DAYS) {
    const { texts } = await walk(apiVersion)
    const expected = [...newest.texts]
    if (!knowsConversions(apiVersion)) expected[OUT_CONTENT_TYPE] = texts[OUT_CONTENT_TYPE - 1] ?? ''
    assert.deepEqual(texts, expected, apiVersion)
  }
})

test('7.0 and everything before it answer the same without recoverableDays', async () => {
  const newest = await walk(NEWEST)
  for (const apiVersion of WITHOUT_RECOVERABLE_DAYS) {
    const { texts } = await walk(apiVersion)
    const expected = newest.texts.map((text) => text.replaceAll(/,"recoverableDays":\d+/g, ''))
    expected[OUT_CONTENT_TYPE] = texts[OUT_CONTENT_TYPE - 1] ?? ''
    assert.deepEqual(texts, expected, apiVersion)
  }
})

test('a value of 7.0 is that of the newest version, byte for byte but for recoverableDays', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const set = await call('PUT', '/secrets/Name?api-version=7.0', { value: 'v', tags: { a: 'b' } })
  const now = Math.floor(server.clock.nowMs() / 1000)
  assert.equal(
    set.text,
    `{"value":"v","id":"https://${vault.name}.vault.localhost:${server.port}/secrets/Name/${versionOf(set)}","attributes":{"enabled":true,"created":${now},"updated":${now},"recoveryLevel":"CustomizedRecoverable+Purgeable"},"tags":{"a":"b"}}`,
  )
})

test('a next link carries the version that was asked for', async () => {
  const call = server.vault((await server.newVault()).name)
  for (const name of ['a', 'b']) await call('PUT', `/secrets/${name}`, { value: 'v' })
  for (const apiVersion of ['7.0', '7.4', '2016-10-01', '7.6-preview.2', '9999-12-31']) {
    const { json } = await call('GET', `/secrets?maxresults=1&api-version=${apiVersion}`)
    assert.ok(String(json.nextLink).includes(`/secrets?api-version=${apiVersion}&$skiptoken=`), json.nextLink)
  }
})

test('the audit record has the version as the client wrote it', async () => {
  const call = server.vault((await server.newVault()).name)
  for (const apiVersion of ['7.0', '9999-12-31', '7.6-preview.2', 'junk']) {
    const clientRequestId = crypto.randomUUID()
    const headers = { 'x-ms-client-request-id': clientRequestId }
    await call('GET', `/secrets?api-version=${apiVersion}`, undefined, { headers })
    const record = server.auditLines().find(({ correlationId }) => correlationId === clientRequestId)
    assert.equal(record?.operationVersion, apiVersion)
  }
})

test('of an api-version given twice the first counts', async () => {
  const call = server.vault((await server.newVault()).name)
  const { attributes } = (await call('PUT', '/secrets/s?api-version=7.0&api-version=7.4', { value: 'v' })).json
  assert.equal(attributes.recoverableDays, undefined)
})
