/** PUT /secrets/{name} */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  assertVaultHeaders,
  deletedButRecoverable,
  invalidName,
  invalidProperty,
  versionOf,
} from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)

test('a new secret answers with its value, id and attributes in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const answer = await call('PUT', '/secrets/secret1', { value: 'ABC123', tags: { 'file-encoding': 'utf-8' } })
  assert.equal(answer.status, 200)
  const now = Math.floor(server.clock.nowMs() / 1000)
  const base = `https://${vault.name}.vault.localhost:${server.port}`
  assert.equal(
    answer.text,
    `{"value":"ABC123","id":"${base}/secrets/secret1/${versionOf(answer)}","attributes":{"enabled":true,"created":${now},"updated":${now},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"file-encoding":"utf-8"}}`,
  )
})

test('everything that can be set comes back in the observed order, whatever order it was sent in', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const answer = await call('PUT', '/secrets/all', {
    tags: { z: '1', a: '2' },
    attributes: { exp: 2_000_000_000, nbf: 1_000_000_000, enabled: true, created: 5, recoveryLevel: 'none' },
    contentType: 'text/plain',
    value: 'v',
  })
  const now = Math.floor(server.clock.nowMs() / 1000)
  assert.equal(
    answer.text,
    `{"value":"v","contentType":"text/plain","id":"https://${vault.name}.vault.localhost:${server.port}/secrets/all/${versionOf(answer)}","attributes":{"enabled":true,"nbf":1000000000,"exp":2000000000,"created":${now},"updated":${now},"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90},"tags":{"z":"1","a":"2"}}`,
  )
})

test('the answer has exactly the observed headers and echoes the client request id', async () => {
  const call = await newCall()
  const headers = { 'x-ms-client-request-id': 'A1b2/any text ~' }
  const first = await call('PUT', '/secrets/s', { value: '1' }, { headers })
  assertVaultHeaders(first, { byRole: true, clientRequestId: 'A1b2/any text ~' })
  assertVaultHeaders(await call('PUT', '/secrets/s', { value: '2' }), { byRole: true })
})

test('nothing is inherited from the version before', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: '1', contentType: 'text', tags: { a: 'b' }, attributes: { enabled: false } })
  const second = await call('PUT', '/secrets/s', { value: '2' })
  assert.equal(second.json.attributes.enabled, true)
  assert.ok(!('contentType' in second.json) && !('tags' in second.json))
})

test('each set makes another version, also of the same value, and the latest one counts', async () => {
  const call = await newCall()
  const versions = new Set<string>()
  for (let turn = 0; turn < 3; turn++) versions.add(versionOf(await call('PUT', '/secrets/s', { value: 'same' })))
  assert.equal(versions.size, 3)
  assert.equal(versionOf(await call('GET', '/secrets/s')), [...versions].at(-1))
})

test('a secret set disabled is answered with its value once', async () => {
  const call = await newCall()
  const answer = await call('PUT', '/secrets/s', { value: 'v', attributes: { enabled: false } })
  assert.deepEqual([answer.status, answer.json.value, answer.json.attributes.enabled], [200, 'v', false])
  assert.equal((await call('GET', '/secrets/s')).status, 403)
})

test('null counts as left out, and no tags are told from an empty set', async () => {
  const call = await newCall()
  const nulls = { value: 'v', contentType: null, tags: null, attributes: { enabled: null, nbf: null, exp: null } }
  const answer = await call('PUT', '/secrets/s', nulls)
  assert.deepEqual(Object.keys(answer.json), ['value', 'id', 'attributes'])
  assert.equal(answer.json.attributes.enabled, true)
  assert.ok(!('nbf' in answer.json.attributes) && !('exp' in answer.json.attributes))
  assert.deepEqual((await call('PUT', '/secrets/s', { value: 'v', attributes: null, tags: {} })).json.tags, {})
})

test('a name keeps the case it was created with, and every case names the same secret', async () => {
  const call = await newCall()
  const first = await call('PUT', '/secrets/MixedCase', { value: '1' })
  assert.match(first.json.id, /\/secrets\/MixedCase\/[0-9a-f]{32}$/)
  const second = await call('PUT', '/SECRETS/mIXEDcASE', { value: '2' })
  assert.match(second.json.id, /\/secrets\/MixedCase\/[0-9a-f]{32}$/)
  assert.equal((await call('GET', '/secrets/MIXEDCASE')).json.value, '2')
  assert.equal((await call('GET', '/secrets')).json.value.length, 1)
})

test('trailing and repeated slashes and percent-encoding name the same secret', async () => {
  const call = await newCall()
  for (const path of ['/secrets/abc/', '//secrets//abc', '///secrets/abc//', '/secrets/%61b%63']) {
    const answer = await call('PUT', path, { value: path })
    assert.match(String(answer.json?.id), /:\d+\/secrets\/abc\/[0-9a-f]{32}$/, `${path}: ${answer.text}`)
  }
  assert.equal((await call('GET', '/secrets/abc/versions')).json.value.length, 4)
})

test('a percent-encoded api-version parameter counts', async () => {
  const call = await newCall()
  assert.equal((await call('PUT', '/secrets/s?api%2Dversion=7.4', { value: 'v' })).status, 200)
})

test('a value comes back as it was, whatever text it is', async () => {
  const call = await newCall()
  const values = [
    '',
    ' ',
    '\u0000',
    '"\\\r\n\t',
    '\u{1F600}\ud7ff\ue000',
    '{"a":1}',
    '-----BEGIN\n'.repeat(20),
    '__proto__',
  ]
  for (const value of values) {
    assert.equal((await call('PUT', '/secrets/s', { value })).json?.value, value)
    assert.equal((await call('GET', '/secrets/s')).json?.value, value)
  }
})

test('a value of exactly 25 KiB is taken and one byte more is refused', async () => {
  const call = await newCall()
  const value = 'é'.repeat(12_800)
  assert.equal((await call('PUT', '/secrets/big', { value })).status, 200)
  assert.equal((await call('GET', '/secrets/big')).json.value, value)
  assertRefused(await call('PUT', '/secrets/big', { value: `${value}x` }), 400, invalidProperty)
})

test('names, content types and tags are taken up to their limits and refused beyond', async () => {
  const call = await newCall()
  const longest = 'n'.repeat(127)
  assert.equal((await call('PUT', `/secrets/${longest}`, { value: 'v' })).status, 200)
  assertRefused(await call('PUT', `/secrets/${longest}n`, { value: 'v' }), 400, invalidName(`${longest}n`))

  const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, 'x']))
  const good = [
    { contentType: 'c'.repeat(255) },
    { contentType: '' },
    { tags: tags(15) },
    { tags: { ['n'.repeat(512)]: 'v'.repeat(512) } },
    { tags: { '': '' } },
    { attributes: { nbf: 0, exp: 253_402_300_799 } },
  ]
  for (const more of good) assert.equal((await call('PUT', '/secrets/s', { value: 'v', ...more })).status, 200)
  const bad = [
    { contentType: 'c'.repeat(256) },
    { tags: tags(16) },
    { tags: { ['n'.repeat(513)]: 'v' } },
    { tags: { n: 'v'.repeat(513) } },
    { attributes: { exp: 253_402_300_800 } },
    { attributes: { nbf: -1 } },
  ]
  for (const more of bad) assertRefused(await call('PUT', '/secrets/s', { value: 'v', ...more }), 400, invalidProperty)
})

test('a body of the wrong shape is refused and makes no version', async () => {
  const call = await newCall()
  const bodies = [
    {},
    { value: null },
    { value: 5 },
    { value: ['v'] },
    { Value: 'v' },
    [],
    'null',
    '"v"',
    '5',
    { value: 'v', contentType: 5 },
    { value: 'v', tags: [] },
    { value: 'v', tags: { a: 5 } },
    { value: 'v', tags: { a: null } },
    { value: 'v', attributes: [] },
    { value: 'v', attributes: { enabled: 'true' } },
    { value: 'v', attributes: { enabled: 0 } },
    { value: 'v', attributes: { exp: '2000000000' } },
    { value: 'v', attributes: { exp: 1.5 } },
  ]
  for (const body of bodies) assertRefused(await call('PUT', '/secrets/s', body), 400, invalidProperty)
  assert.equal((await call('GET', '/secrets/s')).status, 404)
})

test('a tag that is no text is refused, whatever its name', async () => {
  const call = await newCall()
  const taken: string[] = []
  for (const name of ['a', '', '\n', 'a\nb', '\r', '\u2028', '__proto__', 'length']) {
    for (const value of ['[]', '["x"]', '{"length":1}', '5', 'null']) {
      const tag = `${JSON.stringify(name)}:${value}`
      const answer = await call('PUT', '/secrets/s', `{"value":"v","tags":{${tag}}}`)
      if (answer.status !== 400) taken.push(tag)
    }
  }
  assert.deepEqual(taken, [])
})

test('members that nobody knows are ignored', async () => {
  const call = await newCall()
  const answer = await call('PUT', '/secrets/s', { value: 'v', id: 'x', kid: 'x', managed: true, extra: { a: 1 } })
  assert.deepEqual(Object.keys(answer.json), ['value', 'id', 'attributes'])
})

test('text that UTF-8 cannot carry is refused wherever it stands', async () => {
  const call = await newCall()
  for (const body of [
    '{"value":"\\ud800"}',
    '{"value":"a\\udc00b"}',
    '{"value":"\\udc00\\ud800"}',
    '{"value":"v","contentType":"\\ud800"}',
    '{"value":"v","tags":{"a":"\\udfff"}}',
    '{"value":"v","tags":{"\\ud800":"a"}}',
  ]) {
    assertRefused(await call('PUT', '/secrets/s', body), 400, invalidProperty)
  }
  assert.equal((await call('PUT', '/secrets/s', '{"value":"\\ud83d\\ude00"}')).json.value, '\u{1F600}')
})

test('__proto__ is a tag name like any other and harms nothing', async () => {
  const call = await newCall()
  const tags = '{"__proto__":"a","constructor":"b","toString":"c"}'
  const answer = await call('PUT', '/secrets/s', `{"value":"v","tags":${tags}}`)
  assert.equal(answer.status, 200)
  for (const path of ['/secrets/s', '/secrets/s?api-version=7.0', '/secrets/s?api-version=7.1', '/secrets']) {
    const { text } = await call('GET', path)
    assert.ok(text.includes(`"tags":${tags}`), text)
  }
  const evil = '{"value":"v","__proto__":{"enabled":false},"attributes":{"__proto__":{"enabled":false}},"tags":{}}'
  assert.equal((await call('PUT', '/secrets/s', evil)).json.attributes.enabled, true)
  assert.equal(Object.hasOwn(Object.prototype, 'enabled'), false)
})

test('a name with characters that are not allowed is refused with the decoded name', async () => {
  const call = await newCall()
  for (const [path, name] of [
    ['invalid%5B%5D()', 'invalid[]()'],
    ['a_b', 'a_b'],
    ['a.b', 'a.b'],
    ['a%20b', 'a b'],
    ['a%2Fb', 'a/b'],
    ['%E2%84%AA', '\u212a'],
    ['a%00', 'a\u0000'],
    ['a%0A', 'a\n'],
    ['..%2f', '../'],
  ] as const) {
    assertRefused(await call('PUT', `/secrets/${path}`, { value: 'x' }), 400, invalidName(name))
  }
})

test('names that are words of the API can be set and read', async () => {
  const call = await newCall()
  for (const name of ['restore', 'versions', 'backup', 'deletedsecrets', '__proto__'.replaceAll('_', '-'), '-', '0']) {
    assert.equal((await call('PUT', `/secrets/${name}`, { value: name })).status, 200, name)
    assert.equal((await call('GET', `/secrets/${name}`)).json?.value, name)
  }
})

test('a deleted name cannot be set, and the refusal names it as the request did', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/Gone', { value: 'v' })
  await call('DELETE', '/secrets/Gone')
  assertRefused(await call('PUT', '/secrets/GONE', { value: 'w' }), 409, deletedButRecoverable('GONE'))
})

test('sets at the same time all make a version of their own', async () => {
  const call = await newCall()
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => call('PUT', '/secrets/s', { value: `v${index}` })),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  const listed = (await call('GET', '/secrets/s/versions')).json.value as { id: string }[]
  assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set(answers.map(({ json }) => json.id)))
})

test('a vault shows its recovery level as its retention and purge protection have it', async () => {
  const levels = [
    { days: 90, isProtected: false, level: 'Recoverable+Purgeable' },
    { days: 90, isProtected: true, level: 'Recoverable' },
    { days: 89, isProtected: false, level: 'CustomizedRecoverable+Purgeable' },
    { days: 7, isProtected: true, level: 'CustomizedRecoverable' },
  ]
  for (const { days, isProtected, level } of levels) {
    const vault = await server.newVault({ softDeleteRetentionInDays: days, enablePurgeProtection: isProtected })
    const { attributes } = (await server.vault(vault.name)('PUT', '/secrets/s', { value: 'v' })).json
    assert.deepEqual([attributes.recoveryLevel, attributes.recoverableDays], [level, days])
  }
})
