// The core of a secret's life through one older release. Which release and which api-version it is expected to send
// are in the environment; what really left the process is read from Node's own record of HTTP requests, so the client
// is neither changed nor asked.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import { after, test } from 'node:test'
import { DefaultAzureCredential } from '@azure/identity'

const { KEYHAVEN_RELEASE: release, KEYHAVEN_API_VERSION: apiVersion, KEYHAVEN_VAULT_URL: vaultUrl } = process.env
const { SecretClient } = await import(release)
const client = new SecretClient(vaultUrl, new DefaultAzureCredential())
const prefix = `${process.env.KEYHAVEN_MODE}-${randomBytes(4).toString('hex')}`
const polling = { intervalInMs: 100 }

const sentVersions = new Set()
subscribe('http.client.request.start', ({ request }) => {
  const { pathname, searchParams } = new URL(request.path, vaultUrl)
  if (/^\/(deleted)?secrets(\/|$)/.test(pathname)) sentVersions.add(searchParams.get('api-version'))
})

const rejection = (promise) =>
  promise.then(
    () => assert.fail('expected a refusal'),
    (error) => error,
  )
const collect = async (pages) => {
  const items = []
  for await (const item of pages) items.push(item)
  return items
}

after(() => assert.deepEqual([...sentVersions], [apiVersion]))

test(`${release} sets, reads and updates`, async () => {
  const name = `${prefix}-core`
  const set = await client.setSecret(name, 'first', { tags: { a: 'b' }, contentType: 'text/plain' })
  assert.equal(set.value, 'first')
  assert.equal(set.properties.vaultUrl, vaultUrl)
  assert.match(set.properties.version, /^[0-9a-f]{32}$/)
  assert.ok(set.properties.createdOn instanceof Date && set.properties.updatedOn instanceof Date)
  assert.match(set.properties.recoveryLevel, /Recoverable/)
  const second = await client.setSecret(name, 'second')
  assert.equal((await client.getSecret(name)).value, 'second')
  assert.equal((await client.getSecret(name, { version: set.properties.version })).value, 'first')
  const expiresOn = new Date('2037-02-03T04:05:06Z')
  const updated = await client.updateSecretProperties(name, second.properties.version, { expiresOn, enabled: false })
  assert.equal(updated.expiresOn.getTime(), expiresOn.getTime())
  const error = await rejection(client.getSecret(name))
  assert.equal(error.statusCode, 403)
})

test(`${release} lists by page`, async () => {
  const name = `${prefix}-list`
  const versions = []
  for (let index = 0; index < 3; index += 1) versions.push((await client.setSecret(name, 'v')).properties.version)
  const sizes = []
  const seen = []
  for await (const page of client.listPropertiesOfSecretVersions(name).byPage({ maxPageSize: 2 })) {
    sizes.push(page.length)
    seen.push(...page.map((item) => item.version))
  }
  assert.deepEqual(
    sizes.filter((size) => size > 0),
    [2, 1],
  )
  assert.deepEqual(seen.sort(), versions.sort())
  assert.ok((await collect(client.listPropertiesOfSecrets())).some((item) => item.name === name))
  assert.deepEqual(await collect(client.listPropertiesOfSecretVersions(`${prefix}-missing`)), [])
})

test(`${release} deletes, recovers, backs up, purges and restores`, async () => {
  const name = `${prefix}-life`
  const set = await client.setSecret(name, 'value')
  const deleted = await (await client.beginDeleteSecret(name, polling)).pollUntilDone()
  assert.equal(deleted.name, name)
  const { deletedOn, scheduledPurgeDate } = { ...deleted, ...deleted.properties }
  assert.ok(deletedOn instanceof Date && scheduledPurgeDate instanceof Date)
  assert.equal((await client.getDeletedSecret(name)).name, name)
  assert.ok((await collect(client.listDeletedSecrets())).some((item) => item.name === name))
  assert.equal((await rejection(client.setSecret(name, 'again'))).statusCode, 409)
  await (await client.beginRecoverDeletedSecret(name, polling)).pollUntilDone()
  assert.equal((await client.getSecret(name)).value, 'value')
  const backup = await client.backupSecret(name)
  await (await client.beginDeleteSecret(name, polling)).pollUntilDone()
  await client.purgeDeletedSecret(name)
  const restored = await client.restoreSecretBackup(backup)
  assert.equal(restored.version, set.properties.version)
  assert.equal((await client.getSecret(name)).value, 'value')
})

test(`${release} shows a missing secret as SecretNotFound`, async () => {
  const error = await rejection(client.getSecret(`${prefix}-missing`))
  assert.equal(error.statusCode, 404)
  assert.equal(error.code, 'SecretNotFound')
})
