/** DELETE /secrets/{name} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  invalidName,
  secretNotFound,
  versionOf,
} from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
const nowSeconds = () => Math.floor(server.clock.nowMs() / 1000)

test('a deletion answers the deleted bundle without the value, in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const created = nowSeconds()
  await call('PUT', '/secrets/Secret1', { value: 'old' })
  const body = { value: 'v', contentType: 'test type', tags: { a: 'b' }, attributes: { nbf: 1, exp: 2 } }
  const version = versionOf(await call('PUT', '/secrets/Secret1', body))
  server.clock.advance(6_000)
  const answer = await call('DELETE', '/secrets/sECRET1')
  assert.equal(answer.status, 200)
  const base = `https://${vault.name}.vault.localhost:${server.port}`
  const deleted = created + 6
  assert.equal(
    answer.text,
    `{"recoveryId":"${base}/deletedsecrets/Secret1","deletedDate":${deleted},"scheduledPurgeDate":${deleted + 7 * 86_400},"contentType":"test type","id":"${base}/secrets/Secret1/${version}","attributes":{"enabled":true,"nbf":1,"exp":2,"created":${created},"updated":${created},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"a":"b"}}`,
  )
})

test('the purge date is the retention after the deletion, for every retention', async () => {
  for (const days of [7, 8, 89, 90]) {
    const call = server.vault((await server.newVault({ softDeleteRetentionInDays: days })).name)
    await call('PUT', '/secrets/s', { value: 'v' })
    const { deletedDate, scheduledPurgeDate } = (await call('DELETE', '/secrets/s')).json
    assert.deepEqual([deletedDate, scheduledPurgeDate - deletedDate], [nowSeconds(), days * 86_400])
  }
})

test('the answer has exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const more = { headers: { 'x-ms-client-request-id': 'id-1' } }
  const expected = { byRole: true, clientRequestId: 'id-1' }
  assertVaultHeaders(await call('DELETE', '/secrets/s', undefined, more), expected)
  assertVaultHeaders(await call('DELETE', '/secrets/s', undefined, more), expected)
})

test('a deleted secret is gone at once with all its versions', async () => {
  const call = await newCall()
  const old = versionOf(await call('PUT', '/secrets/s', { value: '1' }))
  const current = versionOf(await call('PUT', '/secrets/s', { value: '2' }))
  await call('DELETE', '/secrets/s')
  for (const asked of ['s', `s/${old}`, `s/${current}`]) {
    assertRefused(await call('GET', `/secrets/${asked}`), 404, secretNotFound(asked))
    assertRefused(await call('PATCH', `/secrets/${asked}`, {}), 404, secretNotFound(asked))
  }
  assertRefused(await call('POST', '/secrets/s/backup'), 404, secretNotFound('s'))
  assert.equal((await call('GET', '/deletedsecrets/s')).status, 200)
})

test('a secret that is missing or already deleted is refused in the words of the request', async () => {
  const call = await newCall()
  assertRefused(await call('DELETE', '/secrets/None'), 404, secretNotFound('None'))
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  assertRefused(await call('DELETE', '/secrets/S'), 404, secretNotFound('S'))
  assertRefused(await call('DELETE', '/secrets/a_b'), 400, invalidName('a_b'))
})

test('a disabled or expired secret can be deleted', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false, exp: 1 } })
  const answer = await call('DELETE', '/secrets//s//')
  assert.deepEqual([answer.status, answer.json.attributes.enabled], [200, false])
})

test('one version alone cannot be deleted', async () => {
  const call = await newCall()
  const version = versionOf(await call('PUT', '/secrets/s', { value: 'v' }))
  const answer = await call('DELETE', `/secrets/s/${version}`)
  assertRefused(answer, 405, { code: 'MethodNotAllowed', message: 'The method DELETE is not allowed here.' })
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
})

test('of two deletions at the same time one wins and the other finds nothing', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const answers = await Promise.all([1, 2, 3, 4].map(() => call('DELETE', '/secrets/s')))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404, 404, 404])
})
