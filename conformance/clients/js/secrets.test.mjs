// What the newest JavaScript SDK does with a vault: its twelve operations, its pollers and pagers, and the errors it
// shows. The mode is in the environment alone; the code below is what a user would write against the public cloud,
// apart from turning off the challenge check for the bare name `localhost`, which no challenge can match.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'

const mode = process.env.KEYHAVEN_MODE
const vaultUrl = process.env.KEYHAVEN_VAULT_URL
const options = mode === 'localhost' ? { disableChallengeResourceVerification: true } : {}
const credential = new DefaultAzureCredential()
const client = new SecretClient(vaultUrl, credential, options)
const run = randomBytes(4).toString('hex')

/** Pollers ask at once and then every so often; the server finishes at once, so a short interval only saves time. */
const polling = { intervalInMs: 100 }

// All dates are before 2038: from release 4.10 on this SDK sends dates as 32-bit numbers, so later ones leave it
// negative.

const nameOf = (what) => `js-${mode}-${run}-${what}`
const collect = async (pages) => {
  const items = []
  for await (const item of pages) items.push(item)
  return items
}
const rejection = (promise) =>
  promise.then(
    () => assert.fail('expected a refusal'),
    (error) => error,
  )

async function deleteSecret(name) {
  const poller = await client.beginDeleteSecret(name, polling)
  return poller.pollUntilDone()
}

test('a secret set is answered whole, with an id under the address the client used', async () => {
  const before = Date.now()
  const set = await client.setSecret(nameOf('whole'), 'value-1', {
    contentType: 'text/plain',
    tags: { owner: 'conformance', empty: '' },
    enabled: true,
    notBefore: new Date('2030-01-01T01:01:01Z'),
    expiresOn: new Date('2036-01-01T01:01:01Z'),
  })
  assert.equal(set.name, nameOf('whole'))
  assert.equal(set.value, 'value-1')
  assert.equal(set.properties.vaultUrl, vaultUrl)
  assert.match(set.properties.version, /^[0-9a-f]{32}$/)
  assert.equal(set.properties.id, `${vaultUrl}/secrets/${set.name}/${set.properties.version}`)
  assert.equal(set.properties.contentType, 'text/plain')
  assert.deepEqual({ ...set.properties.tags }, { owner: 'conformance', empty: '' })
  assert.equal(set.properties.enabled, true)
  assert.equal(set.properties.notBefore.toISOString(), '2030-01-01T01:01:01.000Z')
  assert.equal(set.properties.expiresOn.toISOString(), '2036-01-01T01:01:01.000Z')
  assert.ok(Math.abs(set.properties.createdOn.getTime() - before) < 60_000)
  assert.ok(Math.abs(set.properties.updatedOn.getTime() - before) < 60_000)
  assert.match(set.properties.recoveryLevel, /^(Customized)?Recoverable/)
  assert.ok(set.properties.recoverableDays >= 7 && set.properties.recoverableDays <= 90)
  assert.equal(set.properties.managed, undefined)
  assert.equal(set.properties.keyId, undefined)
  assert.equal(set.properties.previousVersion, undefined)
  assert.deepEqual(await client.getSecret(nameOf('whole')), set)
})

test('a secret without options has no content type, no tags and no dates', async () => {
  const { properties } = await client.setSecret(nameOf('bare'), 'value')
  assert.equal(properties.enabled, true)
  assert.equal(properties.contentType, undefined)
  assert.equal(properties.tags, undefined)
  assert.equal(properties.expiresOn, undefined)
  assert.equal(properties.notBefore, undefined)
})

test('the newest version is answered without a version and each other one by its own', async () => {
  const first = await client.setSecret(nameOf('versions'), 'first', { tags: { step: '1' } })
  const second = await client.setSecret(nameOf('versions'), 'second')
  assert.notEqual(first.properties.version, second.properties.version)
  assert.equal((await client.getSecret(nameOf('versions'))).value, 'second')
  const again = await client.getSecret(nameOf('versions'), { version: first.properties.version })
  assert.equal(again.value, 'first')
  assert.deepEqual({ ...again.properties.tags }, { step: '1' })
  assert.equal(second.properties.tags, undefined)
})

for (const [what, value] of [
  ['line breaks', 'line 1\nline 2\r\n\ttab "quotes" \\ back'],
  ['letters beyond ASCII', 'Zürich 東京 🔑 \u0000 é'],
  ['json', '{"a":[1,2,{"b":null}]}'],
  ['25 000 characters', 'x'.repeat(25_000)],
]) {
  test(`a value with ${what} comes back unchanged`, async () => {
    await client.setSecret(nameOf('value'), value)
    assert.equal((await client.getSecret(nameOf('value'))).value, value)
  })
}

test('properties of the newest version are updated without a version, of another one with it', async () => {
  const name = nameOf('update')
  const first = await client.setSecret(name, 'first', { contentType: 'keep', tags: { keep: 'yes' } })
  await client.setSecret(name, 'second')
  const expiresOn = new Date('2037-02-03T04:05:06Z')
  const updated = await client.updateSecretProperties(name, first.properties.version, { expiresOn })
  assert.equal(updated.version, first.properties.version)
  assert.equal(updated.expiresOn.getTime(), expiresOn.getTime())
  assert.equal(updated.contentType, 'keep')
  assert.deepEqual({ ...updated.tags }, { keep: 'yes' })
  const newest = await client.updateSecretProperties(name, '', { tags: { only: 'newest' }, contentType: 'text/html' })
  assert.deepEqual({ ...newest.tags }, { only: 'newest' })
  assert.equal(newest.contentType, 'text/html')
  assert.notEqual(newest.version, first.properties.version)
  assert.equal((await client.getSecret(name)).value, 'second')
})

test('a disabled version is refused with Forbidden and SecretDisabled, and can be enabled again', async () => {
  const name = nameOf('disabled')
  await client.setSecret(name, 'value', { enabled: false })
  const error = await rejection(client.getSecret(name))
  assert.equal(error.statusCode, 403)
  assert.equal(error.code, 'Forbidden')
  assert.match(error.message, /^Operation get is not allowed on a disabled secret\./)
  assert.equal(error.details.error.innerError.code, 'SecretDisabled')
  await client.updateSecretProperties(name, '', { enabled: true })
  assert.equal((await client.getSecret(name)).value, 'value')
})

test('a missing secret is SecretNotFound with status 404', async () => {
  const error = await rejection(client.getSecret(nameOf('missing')))
  assert.equal(error.name, 'RestError')
  assert.equal(error.statusCode, 404)
  assert.equal(error.code, 'SecretNotFound')
  assert.match(
    error.message,
    new RegExp(`secret with \\(name/id\\) ${nameOf('missing')} was not found in this key vault`),
  )
})

test('a missing version is SecretNotFound too', async () => {
  await client.setSecret(nameOf('missing-version'), 'value')
  const error = await rejection(client.getSecret(nameOf('missing-version'), { version: 'f'.repeat(32) }))
  assert.equal(error.statusCode, 404)
  assert.equal(error.code, 'SecretNotFound')
})

test('updating, deleting, backing up and purging what is not there are 404', async () => {
  const name = nameOf('missing')
  for (const call of [
    () => client.updateSecretProperties(name, '', { enabled: true }),
    () => client.beginDeleteSecret(name, polling),
    () => client.backupSecret(name),
    () => client.getDeletedSecret(name),
    () => client.purgeDeletedSecret(name),
  ]) {
    const error = await rejection(call())
    assert.equal(error.statusCode, 404)
    assert.equal(error.code, 'SecretNotFound')
  }
})

test('the list holds one entry per secret, with the properties of the newest version and no value', async () => {
  const name = nameOf('listed')
  await client.setSecret(name, 'first', { tags: { step: '1' } })
  await client.setSecret(name, 'second', { tags: { step: '2' }, contentType: 'text/plain' })
  const found = (await collect(client.listPropertiesOfSecrets())).filter((item) => item.name === name)
  assert.equal(found.length, 1)
  assert.deepEqual({ ...found[0].tags }, { step: '2' })
  assert.equal(found[0].contentType, 'text/plain')
  assert.equal(found[0].version, undefined)
  assert.equal(found[0].vaultUrl, vaultUrl)
  assert.equal('value' in found[0], false)
})

test('pages hold what was asked for and together every secret once', async () => {
  const names = Array.from({ length: 7 }, (_, index) => nameOf(`page-${index}`))
  for (const name of names) await client.setSecret(name, 'value')
  const seen = []
  let pages = 0
  for await (const page of client.listPropertiesOfSecrets().byPage({ maxPageSize: 2 })) {
    assert.ok(page.length <= 2)
    pages += 1
    seen.push(...page.map((item) => item.name))
  }
  assert.ok(pages >= 4)
  assert.equal(new Set(seen).size, seen.length)
  for (const name of names) assert.ok(seen.includes(name))
})

test('a list longer than the largest page is followed to its end', async () => {
  const name = nameOf('many-versions')
  const made = []
  for (let index = 0; index < 27; index += 1) made.push((await client.setSecret(name, `v${index}`)).properties.version)
  const sizes = []
  const seen = []
  for await (const page of client.listPropertiesOfSecretVersions(name).byPage()) {
    sizes.push(page.length)
    seen.push(...page)
  }
  assert.equal(sizes[0], 25)
  assert.deepEqual(seen.map((item) => item.version).sort(), made.sort())
  assert.ok(seen.every((item) => item.name === name && !('value' in item)))
})

test('a page continues from its token in another client', async () => {
  const name = nameOf('token')
  for (let index = 0; index < 4; index += 1) await client.setSecret(name, `v${index}`)
  const first = await client.listPropertiesOfSecretVersions(name).byPage({ maxPageSize: 3 }).next()
  assert.equal(first.value.length, 3)
  const again = new SecretClient(vaultUrl, credential, options)
  const firstAgain = await again.listPropertiesOfSecretVersions(name).byPage({ maxPageSize: 3 }).next()
  assert.deepEqual(
    firstAgain.value.map((item) => item.version),
    first.value.map((item) => item.version),
  )
  assert.equal((await collect(again.listPropertiesOfSecretVersions(name))).length, 4)
})

test('the versions of a missing secret are an empty list', async () => {
  assert.deepEqual(await collect(client.listPropertiesOfSecretVersions(nameOf('missing'))), [])
})

test('a deleted secret is gone from get, named in the deleted list, and its name is taken', async () => {
  const name = nameOf('deleted')
  const set = await client.setSecret(name, 'value', { tags: { keep: 'yes' } })
  const deleted = await deleteSecret(name)
  assert.equal(deleted.name, name)
  assert.equal(deleted.recoveryId, `${vaultUrl}/deletedsecrets/${name}`)
  assert.equal(deleted.properties.recoveryId, deleted.recoveryId)
  assert.equal(deleted.value, undefined)
  const days = (deleted.scheduledPurgeDate.getTime() - deleted.deletedOn.getTime()) / 86_400_000
  assert.equal(days, set.properties.recoverableDays)
  assert.equal((await rejection(client.getSecret(name))).code, 'SecretNotFound')
  const read = await client.getDeletedSecret(name)
  assert.equal(read.name, name)
  assert.equal(read.properties.version, set.properties.version)
  assert.deepEqual({ ...read.properties.tags }, { keep: 'yes' })
  const listed = (await collect(client.listDeletedSecrets())).find((item) => item.name === name)
  assert.equal(listed.recoveryId, `${vaultUrl}/deletedsecrets/${name}`)
  assert.equal(listed.deletedOn.getTime(), deleted.deletedOn.getTime())
  const error = await rejection(client.setSecret(name, 'again'))
  assert.equal(error.statusCode, 409)
  assert.equal(error.code, 'Conflict')
  assert.equal(error.details.error.innerError.code, 'ObjectIsDeletedButRecoverable')
  assert.ok(!(await collect(client.listPropertiesOfSecrets())).some((item) => item.name === name))
})

test('a delete poller resumes from its text', async () => {
  const name = nameOf('resumed')
  await client.setSecret(name, 'value')
  const poller = await client.beginDeleteSecret(name, polling)
  const resumed = await client.beginDeleteSecret(name, { ...polling, resumeFrom: poller.toString() })
  assert.equal((await resumed.pollUntilDone()).name, name)
})

test('a recovered secret has its versions, values, tags and attributes back', async () => {
  const name = nameOf('recovered')
  const first = await client.setSecret(name, 'first')
  const second = await client.setSecret(name, 'second', { tags: { keep: 'yes' } })
  await deleteSecret(name)
  const poller = await client.beginRecoverDeletedSecret(name, polling)
  const properties = await poller.pollUntilDone()
  assert.equal(properties.name, name)
  assert.equal(properties.version, second.properties.version)
  assert.deepEqual(await client.getSecret(name), second)
  assert.equal((await client.getSecret(name, { version: first.properties.version })).value, 'first')
  assert.equal((await rejection(client.getDeletedSecret(name))).statusCode, 404)
})

test('a purged secret is gone for good and its name is free', async () => {
  const name = nameOf('purged')
  await client.setSecret(name, 'value')
  await deleteSecret(name)
  await client.purgeDeletedSecret(name)
  assert.equal((await rejection(client.getDeletedSecret(name))).code, 'SecretNotFound')
  assert.equal((await client.setSecret(name, 'new life')).value, 'new life')
  assert.equal((await collect(client.listPropertiesOfSecretVersions(name))).length, 1)
})

test('a backup restores every version under its own id once the name is free', async () => {
  const name = nameOf('backup')
  const first = await client.setSecret(name, 'first')
  const second = await client.setSecret(name, 'second', { contentType: 'text/plain', tags: { keep: 'yes' } })
  const backup = await client.backupSecret(name)
  assert.ok(backup instanceof Uint8Array && backup.length > 0)
  assert.ok(!Buffer.from(backup).toString('latin1').includes('second'))
  const conflict = await rejection(client.restoreSecretBackup(backup))
  assert.equal(conflict.statusCode, 409)
  assert.equal(conflict.code, 'Conflict')
  await deleteSecret(name)
  assert.equal((await rejection(client.restoreSecretBackup(backup))).statusCode, 409)
  await client.purgeDeletedSecret(name)
  const restored = await client.restoreSecretBackup(backup)
  assert.equal(restored.name, name)
  assert.equal(restored.version, second.properties.version)
  assert.deepEqual({ ...restored.tags }, { keep: 'yes' })
  assert.equal((await client.getSecret(name)).value, 'second')
  assert.equal((await client.getSecret(name, { version: first.properties.version })).value, 'first')
})

test('a backup that is not one is refused with the sentence the SDK suites compare', async () => {
  const error = await rejection(client.restoreSecretBackup(Buffer.from('malformed')))
  assert.equal(error.statusCode, 400)
  assert.equal(error.message, 'Backup blob contains invalid or corrupt version.')
})

test('bad names are refused before they reach a secret', async () => {
  const error = await rejection(client.setSecret('not_a_name', 'value'))
  assert.equal(error.statusCode, 400)
  assert.equal(error.code, 'BadParameter')
})

test('a name longer than 127 characters is refused and one of 127 is kept', async () => {
  const longest = `${nameOf('long')}-`.padEnd(127, 'x')
  assert.equal((await client.setSecret(longest, 'value')).name, longest)
  assert.equal((await rejection(client.setSecret(`${longest}x`, 'value'))).statusCode, 400)
})

test('a name is found in any letter case', async () => {
  const name = nameOf('Case')
  await client.setSecret(name, 'value')
  assert.equal((await client.getSecret(name.toUpperCase())).value, 'value')
})

test('a value over 25 KB is refused', async () => {
  const error = await rejection(client.setSecret(nameOf('too-long'), 'x'.repeat(25 * 1024 + 1)))
  assert.equal(error.statusCode, 400)
  assert.equal(error.code, 'BadParameter')
})

test('many calls at once through one client all succeed', async () => {
  const names = Array.from({ length: 20 }, (_, index) => nameOf(`at-once-${index}`))
  await Promise.all(names.map((name) => client.setSecret(name, name)))
  const values = await Promise.all(names.map(async (name) => (await client.getSecret(name)).value))
  assert.deepEqual(values, names)
})

test('an older api-version is spoken when the client is told to', async () => {
  for (const serviceVersion of ['7.0', '7.4', '2025-07-01']) {
    const older = new SecretClient(vaultUrl, credential, { ...options, serviceVersion })
    const name = nameOf(`at-${serviceVersion.replace('.', '-')}`)
    await older.setSecret(name, serviceVersion)
    assert.equal((await older.getSecret(name)).value, serviceVersion)
  }
})

if (process.env.AZURE_CLIENT_SECRET) {
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: id, AZURE_CLIENT_SECRET: secret } = process.env

  test('a client secret credential made in code works like the one from the environment', async () => {
    const own = new SecretClient(vaultUrl, new ClientSecretCredential(tenant, id, secret), options)
    await own.setSecret(nameOf('own-credential'), 'value')
    assert.equal((await own.getSecret(nameOf('own-credential'))).value, 'value')
  })

  test('a wrong client secret is shown as invalid_client', async () => {
    const wrong = new SecretClient(vaultUrl, new ClientSecretCredential(tenant, id, 'not-the-secret'), options)
    const error = await rejection(wrong.getSecret(nameOf('whole')))
    assert.equal(error.name, 'AuthenticationRequiredError')
    assert.match(error.message, /invalid_client/)
    assert.match(error.message, /AADSTS7000215/)
  })
} else {
  test('a managed identity credential made in code gets a token for the vault', async () => {
    const own = new SecretClient(vaultUrl, new ManagedIdentityCredential(), options)
    await own.setSecret(nameOf('own-credential'), 'value')
    assert.equal((await own.getSecret(nameOf('own-credential'))).value, 'value')
  })
}
