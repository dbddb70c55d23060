/** POST /deletedsecrets/{name}/recover */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startInterruptedServer } from '../../support/interrupted-reads.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  deletedSecretNotFound,
  invalidName,
  secretDisabled,
  versionOf,
} from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)

test('a recovery answers the bundle without the value, in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const created = Math.floor(server.clock.nowMs() / 1000)
  const version = versionOf(
    await call('PUT', '/secrets/Name', { value: 'hidden', contentType: 'text', tags: { a: 'b' } }),
  )
  await call('DELETE', '/secrets/Name')
  server.clock.advance(9_000)
  const answer = await call('POST', '/deletedsecrets/name/recover')
  assert.equal(answer.status, 200)
  assert.equal(
    answer.text,
    `{"contentType":"text","id":"https://${vault.name}.vault.localhost:${server.port}/secrets/Name/${version}","attributes":{"enabled":true,"created":${created},"updated":${created},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"a":"b"}}`,
  )
})

test('the answer has exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  assertVaultHeaders(await call('POST', '/deletedsecrets/s/recover'), { byRole: true })
  assertVaultHeaders(await call('POST', '/deletedsecrets/s/recover'), { byRole: true })
})

test('all versions come back with values, ids, dates, tags and states unchanged', async () => {
  const call = await newCall()
  const ids: string[] = []
  for (const value of ['1', '2', '3']) {
    ids.push(
      versionOf(await call('PUT', '/secrets/s', { value, tags: { of: value }, attributes: { exp: Number(value) } })),
    )
    server.clock.advance(1_000)
  }
  const [disabled = ''] = ids
  await call('PATCH', `/secrets/s/${disabled}`, { attributes: { enabled: false } })
  const before = [
    await call('GET', '/secrets/s/versions'),
    ...(await Promise.all(ids.map((id) => call('GET', `/secrets/s/${id}`)))),
  ]
  await call('DELETE', '/secrets/s')
  server.clock.advance(5_000)
  assert.equal((await call('POST', '/deletedsecrets//s//recover/')).status, 200)
  const now = [
    await call('GET', '/secrets/s/versions'),
    ...(await Promise.all(ids.map((id) => call('GET', `/secrets/s/${id}`)))),
  ]
  assert.deepEqual(
    now.map(({ text }) => text),
    before.map(({ text }) => text),
  )
  assertRefused(await call('GET', `/secrets/s/${disabled}`), 403, secretDisabled)
  assert.equal((await call('GET', '/secrets/s')).json.value, '3')
  assertRefused(await call('GET', '/deletedsecrets/s'), 404, deletedSecretNotFound('s'))
})

test('a disabled secret can be recovered and stays disabled', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false } })
  await call('DELETE', '/secrets/s')
  assert.equal((await call('POST', '/deletedsecrets/s/recover')).json.attributes.enabled, false)
  assertRefused(await call('GET', '/secrets/s'), 403, secretDisabled)
})

test('a body sent with it is ignored, whatever it is', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  const headers = { 'content-type': 'application/octet-stream' }
  assert.equal((await call('POST', '/deletedsecrets/s/recover', 'no JSON', { headers })).status, 200)
})

test('a secret that is not deleted is refused with 400, one that never was with 404', async () => {
  const call = await newCall()
  assertRefused(await call('POST', '/deletedsecrets/None/recover'), 404, deletedSecretNotFound('None'))
  assertRefused(await call('POST', '/deletedsecrets/a_b/recover'), 400, invalidName('a_b'))
  await call('PUT', '/secrets/s', { value: 'v' })
  assertRefused(await call('POST', '/deletedsecrets/S/recover'), 400, {
    code: 'MethodNotAllowed',
    inner: 'RequestNotAllowedOnNonDeletedObject',
    message: 'Secret exists already: S',
  })
})

test('a recovered secret can be set, deleted and recovered again', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: '0' })
  for (const value of ['1', '2']) {
    await call('DELETE', '/secrets/s')
    await call('POST', '/deletedsecrets/s/recover')
    assert.equal((await call('PUT', '/secrets/s', { value })).status, 200)
  }
  assert.equal((await call('GET', '/secrets/s/versions')).json.value.length, 3)
})

test('of two recoveries at the same time one wins', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  const answers = await Promise.all([1, 2, 3].map(() => call('POST', '/deletedsecrets/s/recover')))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400])
})

test('a secret deleted while its recovery looks for it is never said to be missing', async () => {
  // Found by the property test with seed 1862787486: first there was no deleted secret yet, then no live one any more.
  const interrupted = await startInterruptedServer()
  try {
    const call = interrupted.vault((await interrupted.newVault()).name)
    await call('PUT', '/secrets/s', { value: 'v' })
    interrupted.interruptNext('secrets', async () => {
      // The deletion reads the same collection, and is not interrupted again.
      assert.equal((await call('DELETE', '/secrets/s')).status, 200)
    })
    const { status } = await call('POST', '/deletedsecrets/s/recover')
    assert.ok(status === 200 || status === 400, `answered ${status}`)
  } finally {
    await interrupted.stop()
  }
})

test('a secret deleted and recovered by others while its recovery looks for it is never said to be missing', async () => {
  const interrupted = await startInterruptedServer()
  try {
    const call = interrupted.vault((await interrupted.newVault()).name)
    await call('PUT', '/secrets/s', { value: 'v' })
    interrupted.interruptNext('secrets', async () => {
      assert.equal((await call('DELETE', '/secrets/s')).status, 200)
      interrupted.interruptNext('deletedSecrets', () => call('POST', '/deletedsecrets/s/recover'))
    })
    const { status } = await call('POST', '/deletedsecrets/s/recover')
    assert.ok(status === 200 || status === 400, `answered ${status}`)
    assert.equal((await call('GET', '/secrets/s')).status, 200)
  } finally {
    await interrupted.stop()
  }
})
