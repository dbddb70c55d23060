/** What nobody asks for: a deleted secret is purged when its retention has ended. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, deletedSecretNotFound } from '../../support/vault-answers.ts'

const DAY_MS = 86_400_000
const PURGE_INTERVAL_SECONDS = 60
let server: TestServer
before(async () => {
  server = await startTestServer({ purgeIntervalSeconds: PURGE_INTERVAL_SECONDS })
})
after(() => server.stop())

/** To the job's next run, whatever moved the clock before. */
const nextRun = () => server.advance(PURGE_INTERVAL_SECONDS * 1_000)

const keysOf = async (vaultId: string) => {
  const found: string[] = []
  for (const collection of ['secrets', 'secretVersions', 'deletedSecrets', 'scheduledPurges'] as const) {
    const records = await server.data.store.page(collection, { prefix: '', limit: 1_000 })
    found.push(...records.filter(({ key }) => key.includes(vaultId)).map(({ key }) => `${collection} ${key}`))
  }
  return found
}

test('a deleted secret is there until its retention has ended and gone with all its versions afterwards', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  for (const value of ['1', '2', '3']) await call('PUT', '/secrets/Gone', { value })
  await call('PUT', '/secrets/kept', { value: 'v' })
  await call('DELETE', '/secrets/Gone')
  await server.advance(7 * DAY_MS - (PURGE_INTERVAL_SECONDS + 1) * 1_000)
  await nextRun()
  assert.equal((await call('GET', '/deletedsecrets/gone')).status, 200, 'one second is left')
  await nextRun()
  assertRefused(await call('GET', '/deletedsecrets/gone'), 404, deletedSecretNotFound('gone'))
  assertRefused(await call('POST', '/deletedsecrets/gone/recover'), 404, deletedSecretNotFound('gone'))
  assert.deepEqual(await keysOf(vault.vaultId), [`secrets ${vault.vaultId}/kept`])
  assert.equal((await call('PUT', '/secrets/gone', { value: 'new' })).status, 200)
})

test('purge protection ends with the retention', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7, enablePurgeProtection: true })
  const call = server.vault(vault.name)
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  await server.advance(7 * DAY_MS)
  await nextRun()
  assertRefused(await call('GET', '/deletedsecrets/s'), 404, deletedSecretNotFound('s'))
})

test('a recovered secret is not purged, and one deleted again only at its new date', async () => {
  const call = server.vault((await server.newVault({ softDeleteRetentionInDays: 7 })).name)
  for (const name of ['live', 'again']) {
    await call('PUT', `/secrets/${name}`, { value: 'v' })
    await call('DELETE', `/secrets/${name}`)
  }
  await server.advance(3 * DAY_MS)
  for (const name of ['live', 'again']) await call('POST', `/deletedsecrets/${name}/recover`)
  await call('DELETE', '/secrets/again')
  await server.advance(4 * DAY_MS)
  await nextRun()
  assert.equal((await call('GET', '/secrets/live')).json.value, 'v')
  assert.equal((await call('GET', '/deletedsecrets/again')).status, 200)
  await server.advance(3 * DAY_MS)
  await nextRun()
  assert.equal((await call('GET', '/deletedsecrets/again')).status, 404)
  assert.equal((await call('GET', '/secrets/live')).json.value, 'v')
})

test('many secrets in several vaults are purged in one run', async () => {
  const calls = [
    server.vault((await server.newVault({ softDeleteRetentionInDays: 7 })).name),
    server.vault((await server.newVault({ softDeleteRetentionInDays: 8 })).name),
  ]
  for (const call of calls) {
    for (let index = 0; index < 60; index++) {
      await call('PUT', `/secrets/s${index}`, { value: 'v' })
      await call('DELETE', `/secrets/s${index}`)
    }
  }
  await server.advance(7 * DAY_MS)
  await nextRun()
  const left = await Promise.all(calls.map(async (call) => (await call('GET', '/deletedsecrets')).json.value.length))
  assert.deepEqual(left, [0, 25], 'a page of the second vault, nothing of the first')
  await server.advance(DAY_MS)
  await nextRun()
  assert.equal((await calls[1]?.('GET', '/deletedsecrets'))?.json.value.length, 0)
})

test('each purge by the job leaves one audit record', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  await call('PUT', '/secrets/Audited', { value: 'the-audited-value' })
  await call('DELETE', '/secrets/Audited')
  await server.advance(7 * DAY_MS)
  await nextRun()
  await nextRun()
  const records = server
    .auditLines()
    .filter(({ operationName, properties }) => operationName === 'SecretPurge' && properties.clientInfo === 'keyhaven')
    .filter(({ resourceId }) => resourceId.endsWith(`/VAULTS/${vault.name.toUpperCase()}`))
  assert.deepEqual(
    records.map(({ resultType, properties, identity }) => [
      resultType,
      properties.id,
      properties.httpStatusCode,
      identity,
    ]),
    [['Success', 'secrets/Audited', 200, { claim: { appid: 'keyhaven job purge-due' } }]],
  )
  assert.ok(!JSON.stringify(server.auditLines()).includes('the-audited-value'))
})
