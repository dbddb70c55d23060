/** GET /secrets/{name} and /secrets/{name}/{version} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  invalidName,
  secretDisabled,
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

test('a get answers what the set answered, byte for byte', async () => {
  const call = await newCall()
  const full = { value: 'v', contentType: 'text', tags: { a: 'b' }, attributes: { nbf: 1, exp: 2_000_000_000 } }
  for (const body of [{ value: 'v' }, full]) {
    const set = await call('PUT', '/secrets/s', body)
    assert.equal((await call('GET', '/secrets/s')).text, set.text)
    assert.equal((await call('GET', `/secrets/s/${versionOf(set)}`)).text, set.text)
  }
})

test('the answer has exactly the observed headers, also when it is a refusal', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const headers = { 'x-ms-client-request-id': 'c0ffee00-0000-4000-8000-000000000001' }
  const expected = { byRole: true, clientRequestId: 'c0ffee00-0000-4000-8000-000000000001' }
  assertVaultHeaders(await call('GET', '/secrets/s', undefined, { headers }), expected)
  assertVaultHeaders(await call('GET', '/secrets/other', undefined, { headers }), expected)
  assertVaultHeaders(await call('GET', '/secrets/a_b', undefined, { headers }), expected)
})

test('a client request id that no header may carry is not echoed', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  for (const id of ['x'.repeat(129), 'caf\u00e9']) {
    const answer = await call('GET', '/secrets/s', undefined, { headers: { 'x-ms-client-request-id': id } })
    assertVaultHeaders(answer, { byRole: true })
  }
})

test('every answer has a request id of its own', async () => {
  const call = await newCall()
  const answers = await Promise.all([call('GET', '/secrets/s'), call('GET', '/secrets/s'), call('GET', '/secrets/s')])
  assert.equal(new Set(answers.map(({ headers }) => headers['x-ms-request-id'])).size, 3)
})

test('without a version, or with an empty one, the one set last is answered', async () => {
  const call = await newCall()
  const [first, second] = [
    await call('PUT', '/secrets/s', { value: '1' }),
    await call('PUT', '/secrets/s', { value: '2' }),
  ]
  for (const path of ['/secrets/s', '/secrets/s/', '/secrets//s', '//secrets/s//', '/SECRETS/S']) {
    assert.equal((await call('GET', path)).text, second.text, path)
  }
  assert.equal((await call('GET', `/secrets/s/${versionOf(first)}`)).text, first.text)
  assert.equal((await call('GET', `/secrets/s/${versionOf(first).toUpperCase()}/`)).text, first.text)
})

test('a percent-encoded api-version parameter counts', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  assert.equal((await call('GET', '/secrets/s?api%2Dversion=7.4')).status, 200)
  assert.equal((await call('GET', '/secrets/s?%61pi-version=7%2E4')).status, 200)
})

test('a missing secret or version is refused in the words of the request', async () => {
  const call = await newCall()
  const version = versionOf(await call('PUT', '/secrets/Known', { value: 'v' }))
  await call('PUT', '/secrets/other', { value: 'v' })
  const missing = '0'.repeat(32)
  for (const asked of [
    'Unknown',
    `KNOWN/${missing}`,
    `known/${missing.slice(1)}`,
    'known/latest',
    `other/${version}`,
    `unknown/${version}`,
  ]) {
    assertRefused(await call('GET', `/secrets/${asked}`), 404, secretNotFound(asked))
  }
})

test('a name that is none is refused before anything is looked for', async () => {
  const call = await newCall()
  assertRefused(await call('GET', '/secrets/a_b'), 400, invalidName('a_b'))
  assertRefused(await call('GET', `/secrets/a%2Fb/${'0'.repeat(32)}`), 400, invalidName('a/b'))
})

test('a disabled version cannot be read, by whatever path', async () => {
  const call = await newCall()
  const enabled = await call('PUT', '/secrets/s', { value: '1' })
  const disabled = await call('PUT', '/secrets/s', { value: '2', attributes: { enabled: false } })
  assertRefused(await call('GET', '/secrets/s'), 403, secretDisabled)
  assertRefused(await call('GET', `/secrets/s/${versionOf(disabled)}`), 403, secretDisabled)
  assert.equal((await call('GET', `/secrets/s/${versionOf(enabled)}`)).json.value, '1')
})

test('an old version that was disabled cannot be read, the current one can', async () => {
  const call = await newCall()
  const old = versionOf(await call('PUT', '/secrets/s', { value: '1' }))
  await call('PUT', '/secrets/s', { value: '2' })
  await call('PATCH', `/secrets/s/${old}`, { attributes: { enabled: false } })
  assertRefused(await call('GET', `/secrets/s/${old}`), 403, secretDisabled)
  assert.equal((await call('GET', '/secrets/s')).json.value, '2')
})

test('neither nbf nor exp blocks reading', async () => {
  const call = await newCall()
  const now = nowSeconds()
  for (const attributes of [{ nbf: now + 1000 }, { exp: now - 1000 }, { nbf: now + 1000, exp: now - 1000 }]) {
    await call('PUT', '/secrets/s', { value: 'v', attributes })
    assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
  }
})

test('a conversion is refused from the version on that knows them, and ignored before', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', contentType: 'application/x-pkcs12' })
  for (const form of ['application/x-pem-file', 'application/x-pkcs12', '']) {
    const asked = `/secrets/s?outContentType=${encodeURIComponent(form)}&api-version=`
    assertRefused(await call('GET', `${asked}2025-07-01`), 400, {
      code: 'BadParameter',
      message: "The query parameter 'outContentType' asks for a conversion that is not supported for this secret.",
    })
    assert.equal((await call('GET', `${asked}7.6`)).status, 200)
  }
})

test('a body sent with a get is ignored', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const headers = { 'content-type': 'text/plain' }
  assert.equal((await call('GET', '/secrets/s', 'no JSON', { headers })).json.value, 'v')
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v', 'the connection goes on in step')
})

test('secrets of one name in two vaults have nothing to do with each other', async () => {
  const [one, other] = [await newCall(), await newCall()]
  const version = versionOf(await one('PUT', '/secrets/s', { value: 'one' }))
  assertRefused(await other('GET', '/secrets/s'), 404, secretNotFound('s'))
  await other('PUT', '/secrets/s', { value: 'other' })
  assertRefused(await other('GET', `/secrets/s/${version}`), 404, secretNotFound(`s/${version}`))
  assert.equal((await one('GET', '/secrets/s')).json.value, 'one')
})

test('ids are in the words the client used for the host', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const version = versionOf(await call('PUT', '/secrets/s', { value: 'v' }))
  const real = {
    host: `${vault.name.toUpperCase()}.Vault.Azure.Net`,
    headers: { host: `${vault.name}.vault.azure.net` },
  }
  const answer = await call('GET', '/secrets/s', undefined, real)
  assert.equal(answer.json.id, `https://${vault.name}.vault.azure.net/secrets/s/${version}`)
})
