/** POST /secrets/{name}/backup */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startInterruptedServer } from '../../support/interrupted-reads.ts'
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

/** Base64url of the observed length byte and label, all of which a blob starts with. */
const OBSERVED_START = 'KUF6dXJlS2V5VmF1bHRTZWNyZXRCYWNrdXBWMS5taWNyb3NvZnQuY29t'

test('a backup answers one member with a blob in the observed envelope', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const answer = await call('POST', '/secrets/s/backup')
  assert.equal(answer.status, 200)
  assert.match(answer.text, /^\{"value":"[A-Za-z0-9_-]+"\}$/)
  const blob = answer.json.value as string
  assert.ok(blob.startsWith(OBSERVED_START))
  const jwe = Buffer.from(blob, 'base64url').subarray(42).toString('latin1').split('.')
  assert.equal(jwe.length, 5, 'a compact JWE')
  const header = JSON.parse(Buffer.from(jwe[0] ?? '', 'base64url').toString()) as Record<string, string>
  assert.deepEqual(Object.keys(header), ['kid', 'alg', 'enc'])
  assert.equal(header.enc, 'A256CBC-HS512')
})

test('the answer has exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const headers = { 'x-ms-client-request-id': 'id-1' }
  const expected = { byRole: true, clientRequestId: 'id-1' }
  assertVaultHeaders(await call('POST', '/secrets/s/backup', undefined, { headers }), expected)
  assertVaultHeaders(await call('POST', '/secrets/x/backup', undefined, { headers }), expected)
})

test('a blob shows neither values nor names, and no two are alike', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/the-name', { value: 'the-value', tags: { 'the-tag': 'x' } })
  const blobs = [await call('POST', '/secrets/the-name/backup'), await call('POST', '/secrets/the-name/backup')]
  for (const { json } of blobs) {
    const bytes = Buffer.from(json.value as string, 'base64url').toString('latin1')
    const parts = bytes.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'))
    for (const text of ['the-value', 'the-name', 'the-tag', Buffer.from('the-value').toString('base64')]) {
      assert.ok(![bytes, ...parts].some((part) => part.includes(text)), text)
    }
  }
  assert.notEqual(blobs[0]?.json.value, blobs[1]?.json.value)
})

test('a disabled or expired secret can be backed up, and the secret stays as it is', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false, exp: 1 } })
  const before = await call('GET', '/secrets')
  for (const path of ['/secrets/s/backup', '/SECRETS/S/BACKUP/', '//secrets//s//backup']) {
    assert.equal((await call('POST', path)).status, 200, path)
  }
  assert.equal((await call('GET', '/secrets')).text, before.text)
})

test('a body sent with it is ignored, whatever it is', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const headers = { 'content-type': 'text/plain' }
  assert.equal((await call('POST', '/secrets/s/backup', 'no JSON', { headers })).status, 200)
})

test('a secret that is missing or deleted is refused in the words of the request', async () => {
  const call = await newCall()
  assertRefused(await call('POST', '/secrets/None/backup'), 404, secretNotFound('None'))
  assertRefused(await call('POST', '/secrets/a_b/backup'), 400, invalidName('a_b'))
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  assertRefused(await call('POST', '/secrets/S/backup'), 404, secretNotFound('S'))
})

test('500 versions can be backed up and restored, one more is refused', async () => {
  const [call, other] = [await newCall(), await newCall()]
  for (let count = 0; count < 500; count++) await call('PUT', '/secrets/s', { value: `${count}` })
  const backup = await call('POST', '/secrets/s/backup')
  assert.equal(backup.status, 200)
  assert.equal((await other('POST', '/secrets/restore', { value: backup.json.value })).status, 200)
  assert.equal((await other('GET', '/secrets/s')).json.value, '499')
  await call('PUT', '/secrets/s', { value: 'one more' })
  assertRefused(await call('POST', '/secrets/s/backup'), 400, {
    code: 'BadParameter',
    message: 'The secret has more than 500 versions and cannot be backed up.',
  })
})

test('a set while a backup is taken leaves a backup of one moment', async () => {
  // The backup is two reads, the head and the older versions; a set in between moves the head among the older ones.
  const interrupted = await startInterruptedServer()
  try {
    const newVaultCall = async () => interrupted.vault((await interrupted.newVault()).name)
    const [call, other] = [await newVaultCall(), await newVaultCall()]
    const first = versionOf(await call('PUT', '/secrets/s', { value: '1' }))
    let second = ''
    interrupted.interruptNext('secretVersions', async () => {
      second = versionOf(await call('PUT', '/secrets/s', { value: '2' }))
    })
    const backup = await call('POST', '/secrets/s/backup')
    assert.notEqual(second, '')
    await other('POST', '/secrets/restore', { value: backup.json.value })
    const listed = (await other('GET', '/secrets/s/versions')).json.value as { id: string }[]
    const found = listed.map(({ id }) => id.slice(id.lastIndexOf('/') + 1))
    const isOneMoment = [[first], [first, second].sort()].some((moment) => moment.join() === found.join())
    assert.ok(isOneMoment, `the backup has ${found.join()} of ${first} and then ${second}`)
    // A version that is head and older version at once would keep its place from ever being taken by the next set.
    assert.equal((await other('PUT', '/secrets/s', { value: '3' })).status, 200)
    assert.equal((await other('GET', '/secrets/s/versions')).json.value.length, found.length + 1)
  } finally {
    await interrupted.stop()
  }
})
