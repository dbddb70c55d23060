/** PATCH /secrets/{name} and /secrets/{name}/{version} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  invalidName,
  invalidProperty,
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

test('an update answers the bundle without the value, in the observed order', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const created = nowSeconds()
  const version = versionOf(await call('PUT', '/secrets/s', { value: 'v', tags: { old: '1' } }))
  server.clock.advance(5_000)
  const answer = await call('PATCH', '/secrets/s', {
    tags: { new: '2' },
    attributes: { exp: 2_000_000_000, nbf: 1_000_000_000, enabled: true },
    contentType: 'text',
  })
  const id = `https://${vault.name}.vault.localhost:${server.port}/secrets/s/${version}`
  assert.equal(
    answer.text,
    `{"contentType":"text","id":"${id}","attributes":{"enabled":true,"nbf":1000000000,"exp":2000000000,"created":${created},"updated":${created + 5},"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90},"tags":{"new":"2"}}`,
  )
  assert.equal((await call('GET', '/secrets/s')).text, `{"value":"v",${answer.text.slice(1)}`)
})

test('the answer has exactly the observed headers', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const headers = { 'x-ms-client-request-id': 'id-1' }
  const expected = { byRole: true, clientRequestId: 'id-1' }
  assertVaultHeaders(await call('PATCH', '/secrets/s', {}, { headers }), expected)
  assertVaultHeaders(await call('PATCH', '/secrets/x', {}, { headers }), expected)
})

test('members left out or null stay as they are, and only updated moves', async () => {
  const call = await newCall()
  const before = await call('PUT', '/secrets/s', {
    value: 'v',
    contentType: 'text',
    tags: { a: 'b' },
    attributes: { enabled: false, nbf: 10, exp: 20 },
  })
  const nulls = { contentType: null, tags: null, attributes: { enabled: null, nbf: null, exp: null } }
  for (const body of [{}, { attributes: {} }, { attributes: null }, nulls]) {
    server.clock.advance(1_000)
    const answer = await call('PATCH', '/secrets/s', body)
    const { value: _, ...expected } = before.json
    expected.attributes.updated = nowSeconds()
    assert.deepEqual(answer.json, expected)
  }
})

test('tags given replace the whole set, an empty set too', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', tags: { a: '1', b: '2' } })
  assert.deepEqual((await call('PATCH', '/secrets/s', { tags: { c: '3' } })).json.tags, { c: '3' })
  assert.deepEqual((await call('PATCH', '/secrets/s', { tags: {} })).json.tags, {})
})

test('the value cannot be changed', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'old' })
  assert.equal((await call('PATCH', '/secrets/s', { value: 'new' })).status, 200)
  assert.equal((await call('GET', '/secrets/s')).json.value, 'old')
})

test('without a version the current one is changed, with one only that', async () => {
  const call = await newCall()
  const [old, current] = [
    versionOf(await call('PUT', '/secrets/s', { value: '1' })),
    versionOf(await call('PUT', '/secrets/s', { value: '2' })),
  ]
  for (const path of ['/secrets/s', '/secrets/s/', '/Secrets//S//']) {
    const answer = await call('PATCH', path, { contentType: path })
    assert.deepEqual([versionOf(answer), answer.json.contentType], [current, path])
  }
  const changed = await call('PATCH', `/secrets/s/${old.toUpperCase()}`, { tags: { of: 'old' } })
  assert.deepEqual([versionOf(changed), changed.json.tags], [old, { of: 'old' }])
  const now = await call('GET', '/secrets/s')
  assert.deepEqual([versionOf(now), now.json.tags, now.json.value], [current, undefined, '2'])
  assert.equal((await call('GET', `/secrets/s/${old}`)).json.value, '1')
})

test('a disabled secret can be updated, and so enabled', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false } })
  assert.equal((await call('PATCH', '/secrets/s', { tags: { a: 'b' } })).json.attributes.enabled, false)
  assert.equal((await call('PATCH', '/secrets/s', { attributes: { enabled: true } })).json.attributes.enabled, true)
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
})

test('a missing secret or version is refused in the words of the request', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/Known', { value: 'v' })
  for (const asked of ['Unknown', `KNOWN/${'0'.repeat(32)}`, 'known/versions', `unknown/${'0'.repeat(32)}`]) {
    assertRefused(await call('PATCH', `/secrets/${asked}`, {}), 404, secretNotFound(asked))
  }
  await call('DELETE', '/secrets/known')
  assertRefused(await call('PATCH', '/secrets/known', {}), 404, secretNotFound('known'))
  assertRefused(await call('PATCH', '/secrets/a_b', {}), 400, invalidName('a_b'))
})

test('a body that breaks a rule is refused and changes nothing', async () => {
  const call = await newCall()
  const before = await call('PUT', '/secrets/s', { value: 'v', tags: { a: 'b' } })
  for (const body of [
    { contentType: 'c'.repeat(256) },
    { contentType: 5 },
    { tags: { a: 5 } },
    { tags: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`t${index}`, ''])) },
    { tags: { n: 'v'.repeat(513) } },
    { attributes: { enabled: 'false' } },
    { attributes: { exp: -1 } },
    { attributes: { nbf: 1.5 } },
    '[]',
    'null',
    '{"contentType":"\\ud800"}',
    '{"tags":{"a":"\\udc00"}}',
  ]) {
    assertRefused(await call('PATCH', '/secrets/s', body), 400, invalidProperty)
  }
  assert.equal((await call('GET', '/secrets/s')).text, before.text)
})

test('a tag named __proto__ is replaced and kept like any other', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const answer = await call('PATCH', '/secrets/s', '{"tags":{"__proto__":"p"}}')
  assert.match(answer.text, /"tags":\{"__proto__":"p"\}\}$/)
  assert.match((await call('GET', '/secrets/s')).text, /"tags":\{"__proto__":"p"\}\}$/)
})

test('updates and sets at the same time lose nothing', async () => {
  const call = await newCall()
  const first = versionOf(await call('PUT', '/secrets/s', { value: '0' }))
  const answers = await Promise.all([
    ...Array.from({ length: 4 }, (_, index) => call('PUT', '/secrets/s', { value: `${index}` })),
    ...Array.from({ length: 4 }, () => call('PATCH', `/secrets/s/${first}`, { tags: { kept: 'yes' } })),
  ])
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  const kept = await call('GET', `/secrets/s/${first}`)
  assert.deepEqual([kept.json.value, kept.json.tags], ['0', { kept: 'yes' }])
  assert.equal((await call('GET', '/secrets/s/versions')).json.value.length, 5)
})
