/** DELETE /deletedsecrets/{name} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  deletedSecretNotFound,
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

test('a purge answers 204 without a body and with exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  const headers = { 'x-ms-client-request-id': 'id-1' }
  const answer = await call('DELETE', '/deletedsecrets/s', undefined, { headers })
  assert.deepEqual([answer.status, answer.text], [204, ''])
  assertVaultHeaders(answer, { byRole: true, clientRequestId: 'id-1' })
})

test('a purged secret is gone with all its versions, and its name is free', async () => {
  const call = await newCall()
  const old = versionOf(await call('PUT', '/secrets/Name', { value: '1' }))
  await call('PUT', '/secrets/Name', { value: '2' })
  await call('DELETE', '/secrets/Name')
  assert.equal((await call('DELETE', '/deletedsecrets/NAME/')).status, 204)
  assertRefused(await call('GET', '/deletedsecrets/Name'), 404, deletedSecretNotFound('Name'))
  assertRefused(await call('POST', '/deletedsecrets/Name/recover'), 404, deletedSecretNotFound('Name'))
  const again = await call('PUT', '/secrets/nAmE', { value: '3' })
  assert.match(again.json.id, /\/secrets\/nAmE\//, 'a new secret has the case of its own first set')
  assertRefused(await call('GET', `/secrets/nAmE/${old}`), 404, secretNotFound(`nAmE/${old}`))
  assert.equal((await call('GET', '/secrets/nAmE/versions')).json.value.length, 1)
})

test('a purge leaves nothing of the secret in the store', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  for (const value of ['1', '2', '3']) await call('PUT', '/secrets/s', { value })
  await call('DELETE', '/secrets/s')
  await call('DELETE', '/deletedsecrets/s')
  for (const collection of ['secrets', 'secretVersions', 'deletedSecrets', 'scheduledPurges'] as const) {
    const records = await server.data.store.page(collection, { prefix: '', limit: 1_000 })
    // The vault's mark, which names no secret, tells the purge job to scrub the files.
    const left = records.map(({ key }) => key).filter((key) => key.includes(vault.vaultId) && !key.endsWith('/purged/'))
    assert.deepEqual(left, [], collection)
  }
})

test('a secret whose name begins alike survives', async () => {
  const call = await newCall()
  for (const name of ['a', 'ab', 'a-b']) {
    for (const value of ['1', '2']) await call('PUT', `/secrets/${name}`, { value })
  }
  await call('DELETE', '/secrets/a')
  await call('DELETE', '/deletedsecrets/a')
  for (const name of ['ab', 'a-b']) assert.equal((await call('GET', `/secrets/${name}/versions`)).json.value.length, 2)
})

test('a secret that is not deleted is refused in the words of the request', async () => {
  const call = await newCall()
  assertRefused(await call('DELETE', '/deletedsecrets/None'), 404, deletedSecretNotFound('None'))
  await call('PUT', '/secrets/s', { value: 'v' })
  assertRefused(await call('DELETE', '/deletedsecrets/S'), 404, deletedSecretNotFound('S'))
  assertRefused(await call('DELETE', '/deletedsecrets/a_b'), 400, invalidName('a_b'))
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
})

test('a disabled secret can be purged', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false } })
  await call('DELETE', '/secrets/s')
  assert.equal((await call('DELETE', '/deletedsecrets/s')).status, 204)
})

test('purge is refused while purge protection is on', async () => {
  const vault = await server.newVault({ enablePurgeProtection: true, softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  const answer = await call('DELETE', '/deletedsecrets/s')
  assertRefused(answer, 403, {
    code: 'Forbidden',
    inner: 'ForbiddenByPurgeProtection',
    message: `Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge the secret after the retention period has passed.\r\nVault: ${vault.name};location=local`,
  })
  assertVaultHeaders(answer, { byRole: true })
  assertRefused(await call('DELETE', '/deletedsecrets/none'), 404, deletedSecretNotFound('none'))
  assert.equal((await call('POST', '/deletedsecrets/s/recover')).status, 200)
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
})

test('of two purges at the same time one wins', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  const answers = await Promise.all([1, 2, 3].map(() => call('DELETE', '/deletedsecrets/s')))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 404, 404])
})

test('a purge and a recovery at the same time leave either a whole secret or none', async () => {
  const call = await newCall()
  for (let round = 0; round < 5; round++) {
    const name = `s${round}`
    for (const value of ['1', '2', '3']) await call('PUT', `/secrets/${name}`, { value })
    await call('DELETE', `/secrets/${name}`)
    const [purge, recovery] = await Promise.all([
      call('DELETE', `/deletedsecrets/${name}`),
      call('POST', `/deletedsecrets/${name}/recover`),
    ])
    const left = (await call('GET', `/secrets/${name}/versions`)).json.value.length
    assert.deepEqual([purge.status, recovery.status, left], left === 3 ? [404, 200, 3] : [204, 404, 0])
  }
})
