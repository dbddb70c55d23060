/** GET /deletedsecrets/{name} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  deletedSecretNotFound,
  invalidName,
  secretDisabled,
} from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)

test('a deleted secret is answered as its deletion answered it', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/Name', { value: 'hidden', contentType: 'text', tags: { a: 'b' }, attributes: { exp: 5 } })
  const deleted = await call('DELETE', '/secrets/name')
  server.clock.advance(60_000)
  for (const path of ['/deletedsecrets/NAME', '/deletedsecrets/Name/', '//DeletedSecrets//name']) {
    assert.equal((await call('GET', path)).text, deleted.text, path)
  }
  assert.ok(!deleted.text.includes('hidden'))
})

test('the answer has exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  assertVaultHeaders(await call('GET', '/deletedsecrets/s'), { byRole: true })
  assertVaultHeaders(await call('GET', '/deletedsecrets/x'), { byRole: true })
})

test('a secret that is not deleted is refused in the words of the request', async () => {
  const call = await newCall()
  assertRefused(await call('GET', '/deletedsecrets/None'), 404, deletedSecretNotFound('None'))
  await call('PUT', '/secrets/s', { value: 'v' })
  assertRefused(await call('GET', '/deletedsecrets/S'), 404, deletedSecretNotFound('S'))
  assertRefused(await call('GET', '/deletedsecrets/a_b'), 400, invalidName('a_b'))
})

test('a disabled deleted secret is refused, as the service does', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false } })
  await call('DELETE', '/secrets/s')
  assertRefused(await call('GET', '/deletedsecrets/s'), 403, secretDisabled)
})

test('neither nbf nor exp blocks looking at a deleted secret', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { nbf: 4_000_000_000, exp: 1 } })
  await call('DELETE', '/secrets/s')
  assert.equal((await call('GET', '/deletedsecrets/s')).status, 200)
})

test('a version below a deleted secret is no path of the service', async () => {
  const call = await newCall()
  const answer = await call('GET', `/deletedsecrets/s/${'0'.repeat(32)}`)
  const message = 'The requested path does not name an operation of this service.'
  assertRefused(answer, 404, { code: 'NotFound', message })
})
