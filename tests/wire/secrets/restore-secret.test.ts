/** POST /secrets/restore */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Vault } from '../../../src/domain/vaults/vault.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  type ExpectedRefusal,
  invalidProperty,
  restoreConflict,
  secretDisabled,
  versionOf,
} from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
type Call = Awaited<ReturnType<typeof newCall>>

const corrupt: ExpectedRefusal = { code: 'Malformed backup blob', message: 'Backup blob is corrupt.' }
const invalid: ExpectedRefusal = { code: 'BadParameter', message: 'Backup blob contains invalid or corrupt version.' }
const foreign: ExpectedRefusal = {
  code: 'BadParameter',
  message: 'Backup blob belongs to a different subscription or installation and cannot be restored here.',
}

/** A blob is a length byte, 41 characters of label and then a compact JWE. */
const LABEL_END = 42

const backupOf = async (call: Call, name: string): Promise<string> =>
  (await call('POST', `/secrets/${name}/backup`)).json.value as string

const texts = async (call: Call, paths: readonly string[]) =>
  (await Promise.all(paths.map((path) => call('GET', path)))).map(({ text }) => text)

test('a restore answers the latest version without the value, in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const [source, call] = [await newCall(), server.vault(vault.name)]
  const created = Math.floor(server.clock.nowMs() / 1000)
  await source('PUT', '/secrets/Name', { value: 'old' })
  const body = { value: 'hidden', contentType: 'text', tags: { a: 'b' }, attributes: { nbf: 1, exp: 2 } }
  const version = versionOf(await source('PUT', '/secrets/Name', body))
  const blob = await backupOf(source, 'name')
  server.clock.advance(60_000)
  const answer = await call('POST', '/secrets/restore', { value: blob })
  assert.equal(answer.status, 200)
  assert.equal(
    answer.text,
    `{"contentType":"text","id":"https://${vault.name}.vault.localhost:${server.port}/secrets/Name/${version}","attributes":{"enabled":true,"nbf":1,"exp":2,"created":${created},"updated":${created},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"a":"b"}}`,
  )
})

test('the answer has exactly the observed headers', async () => {
  const [source, call] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/s', { value: 'v' })
  const value = await backupOf(source, 's')
  assertVaultHeaders(await call('POST', '/secrets/restore', { value }), { byRole: true })
  assertVaultHeaders(await call('POST', '/Secrets//Restore/', { value }), { byRole: true })
})

test('all versions come back in another vault of the subscription, and in the same one after a purge', async () => {
  const [source, other] = [await newCall(), await newCall()]
  const ids: string[] = []
  for (const value of ['1', '2', '3']) {
    ids.push(
      versionOf(await source('PUT', '/secrets/s', { value, tags: { of: value }, attributes: { exp: Number(value) } })),
    )
    server.clock.advance(1_000)
  }
  const [disabled = ''] = ids
  await source('PATCH', `/secrets/s/${disabled}`, { attributes: { enabled: false } })
  const paths = ['/secrets/s', '/secrets/s/versions', ...ids.map((id) => `/secrets/s/${id}`)]
  const before = await texts(source, paths)
  const value = await backupOf(source, 's')

  await other('POST', '/secrets/restore', { value })
  const host = (text: string) => text.replaceAll(/vault-\d+\./g, 'vault.')
  assert.deepEqual((await texts(other, paths)).map(host), before.map(host))
  assertRefused(await other('GET', `/secrets/s/${disabled}`), 403, secretDisabled)

  await source('DELETE', '/secrets/s')
  await source('DELETE', '/deletedsecrets/s')
  await source('POST', '/secrets/restore', { value })
  assert.deepEqual(await texts(source, paths), before)
})

test('a restored copy lives on independently of the original', async () => {
  const [source, copy] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/s', { value: 'v' })
  const value = await backupOf(source, 's')
  await copy('POST', '/secrets/restore', { value })
  await copy('PUT', '/secrets/s', { value: 'w' })
  await source('DELETE', '/secrets/s')
  assert.equal((await copy('GET', '/secrets/s')).json.value, 'w')
})

test('a backup is a snapshot: what happened afterwards is not in it', async () => {
  const [source, copy] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/s', { value: 'then' })
  const value = await backupOf(source, 's')
  await source('PUT', '/secrets/s', { value: 'now' })
  await copy('POST', '/secrets/restore', { value })
  assert.equal((await copy('GET', '/secrets/s')).json.value, 'then')
  assert.equal((await copy('GET', '/secrets/s/versions')).json.value.length, 1)
})

test('a name in use is refused with the id that could not be restored, and nothing changes', async () => {
  const vault = await server.newVault()
  const [source, call] = [await newCall(), server.vault(vault.name)]
  const version = versionOf(await source('PUT', '/secrets/Name', { value: 'v' }))
  const value = await backupOf(source, 'name')
  await call('PUT', '/secrets/nAME', { value: 'in use' })
  const id = `https://${vault.name}.vault.localhost:${server.port}/secrets/Name/${version}`
  assertRefused(await call('POST', '/secrets/restore', { value }), 409, restoreConflict(id))
  assert.equal((await call('GET', '/secrets/name')).json.value, 'in use')
  // The service says the same of a name that only a deleted secret holds.
  await call('DELETE', '/secrets/name')
  assertRefused(await call('POST', '/secrets/restore', { value }), 409, restoreConflict(id))
  await call('DELETE', '/deletedsecrets/name')
  assert.equal((await call('POST', '/secrets/restore', { value })).status, 200)
})

test('of two restores at the same time one wins', async () => {
  const [source, call] = [await newCall(), await newCall()]
  for (const value of ['1', '2']) await source('PUT', '/secrets/s', { value })
  const value = await backupOf(source, 's')
  const answers = await Promise.all([1, 2, 3].map(() => call('POST', '/secrets/restore', { value })))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409])
})

test('another subscription is refused', async () => {
  const source = await newCall()
  await source('PUT', '/secrets/s', { value: 'v' })
  const value = await backupOf(source, 's')
  const vault = await server.newVault({ subscriptionId: '00000000-0000-4000-8000-000000000002' })
  const { token } = await administratorOf(server, vault)
  assertRefused(await server.vault(vault.name)('POST', '/secrets/restore', { value }, { token }), 400, foreign)
})

test('the subscription counts in any letter case', async () => {
  const source = await newCall()
  await source('PUT', '/secrets/s', { value: 'v' })
  const value = await backupOf(source, 's')
  const same = await server.newVault({ subscriptionId: server.subscriptionId.toUpperCase() })
  assert.equal((await server.vault(same.name)('POST', '/secrets/restore', { value })).status, 200)
})

test('a blob of another installation is refused', async () => {
  const other = await startTestServer()
  try {
    // Of the same subscription id, so that only the installation differs.
    const vault = await other.newVault({ subscriptionId: server.subscriptionId })
    const { token } = await administratorOf(other, vault)
    const theirs: Call = (method, path, body) => other.vault(vault.name)(method, path, body, { token })
    await theirs('PUT', '/secrets/s', { value: 'v' })
    const value = await backupOf(theirs, 's')
    assertRefused(await (await newCall())('POST', '/secrets/restore', { value }), 400, corrupt)
  } finally {
    await other.stop()
  }
})

test('a blob changed anywhere is refused', async () => {
  const [source, call] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/s', { value: 'v' })
  const good = Buffer.from(await backupOf(source, 's'), 'base64url')
  const changed = (at: number) => {
    const bytes = Buffer.from(good)
    // Another letter of the same alphabet, so that only the content is wrong.
    bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
    return bytes.toString('base64url')
  }
  for (const at of [0, 1, 20, LABEL_END - 1]) {
    assertRefused(await call('POST', '/secrets/restore', { value: changed(at) }), 400, invalid)
  }
  const jwe = good.subarray(LABEL_END).toString('latin1')
  const parts = jwe.split('.')
  let start = LABEL_END
  for (const part of parts) {
    // The first letter of a part, one in its middle and the one before its last, whose last bits may mean nothing.
    for (const offset of [0, part.length >> 1, part.length - 2]) {
      assertRefused(await call('POST', '/secrets/restore', { value: changed(start + offset) }), 400, corrupt)
    }
    start += part.length + 1
  }
  assert.equal((await call('GET', '/secrets')).text, '{"value":[],"nextLink":null}')
})

test('parts of two blobs do not go together', async () => {
  const [source, call] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/a', { value: 'a' })
  await source('PUT', '/secrets/b', { value: 'b' })
  const partsOf = async (name: string) => {
    const bytes = Buffer.from(await backupOf(source, name), 'base64url')
    return { label: bytes.toString('latin1', 0, LABEL_END), parts: bytes.toString('latin1', LABEL_END).split('.') }
  }
  const [{ label, parts: left }, { parts: right }] = [await partsOf('a'), await partsOf('b')]
  // Not the header: it is the same in both.
  for (const index of [1, 2, 3, 4]) {
    const mixed = left.map((part, at) => (at === index ? (right[at] ?? '') : part)).join('.')
    const value = Buffer.from(label + mixed, 'latin1').toString('base64url')
    assertRefused(await call('POST', '/secrets/restore', { value }), 400, corrupt)
  }
})

test('a blob cut short, added to or wrapped again is refused', async () => {
  const [source, call] = [await newCall(), await newCall()]
  await source('PUT', '/secrets/s', { value: 'v' })
  const blob = await backupOf(source, 's')
  const bytes = Buffer.from(blob, 'base64url')
  const encoded = (part: Uint8Array) => Buffer.from(part).toString('base64url')
  for (const value of [
    encoded(bytes.subarray(0, -4)),
    encoded(bytes.subarray(0, 42)),
    encoded(Buffer.concat([bytes, Buffer.from('AAAA')])),
    encoded(Buffer.concat([bytes, Buffer.from('.AAAA')])),
  ]) {
    assertRefused(await call('POST', '/secrets/restore', { value }), 400, corrupt)
  }
  for (const value of [
    encoded(bytes.subarray(1)),
    encoded(bytes.subarray(0, 41)),
    encoded(Buffer.from(blob)),
    `${blob}=`,
    ` ${blob}`,
    blob.slice(0, 40),
    `${blob.slice(0, 60)}+${blob.slice(61)}`,
  ]) {
    assertRefused(await call('POST', '/secrets/restore', { value }), 400, invalid)
  }
})

test('junk is refused', async () => {
  const call = await newCall()
  const label = (kind: string) => `AzureKeyVault${kind}BackupV1.microsoft.com`
  const enveloped = (text: string, content: string) =>
    Buffer.concat([Buffer.from([text.length]), Buffer.from(text + content)]).toString('base64url')
  for (const value of [
    '',
    'junk',
    'a',
    '=',
    '\u0000',
    'é',
    'A'.repeat(100_000),
    enveloped(label('Key'), 'a.b.c.d.e'),
  ]) {
    assertRefused(await call('POST', '/secrets/restore', { value }), 400, invalid)
  }
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  const direct = Buffer.from('{"alg":"dir","enc":"A256CBC-HS512"}').toString('base64url')
  const zip = Buffer.from('{"alg":"A256KW","enc":"A256CBC-HS512","zip":"DEF"}').toString('base64url')
  for (const content of [
    '',
    '.',
    '....',
    'a.b.c.d.e',
    `${none}....`,
    `${direct}..AAAA.AAAA.AAAA`,
    `${zip}.AA.AA.AA.AA`,
  ]) {
    assertRefused(await call('POST', '/secrets/restore', { value: enveloped(label('Secret'), content) }), 400, corrupt)
  }
})

test('a body of the wrong shape is refused', async () => {
  const call = await newCall()
  for (const body of [{}, { value: null }, { value: 5 }, { value: ['a'] }, '[]', 'null', '{"value":"\\ud800"}']) {
    assertRefused(await call('POST', '/secrets/restore', body), 400, invalidProperty)
  }
})

test('a secret named restore is none of this operation', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/restore', { value: 'v' })
  assert.equal((await call('GET', '/secrets/restore')).json.value, 'v')
  assert.equal((await call('POST', '/secrets/restore/backup')).status, 200)
})

/** Vaults outside the development resource group need a role of their own. */
async function administratorOf(at: TestServer, vault: Vault): Promise<{ readonly token: string }> {
  const app = await at.newApp()
  await at.assign(vault, app.objectId, 'Key Vault Administrator')
  return app
}
