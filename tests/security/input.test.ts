/** Attacks with what a request holds: members that objects inherit, depth, length, and text made to keep us busy. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Vault } from '../../src/domain/vaults/vault.ts'
import { decodeSkipToken, encodeSkipToken } from '../../src/formats/skip-token.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

/** Far more than any of these takes, far less than text of this length costs where the time grows with its square. */
const MAX_BUSY_MS = 1_000

let server: TestServer
let vault: Vault
let call: ReturnType<TestServer['vault']>
before(async () => {
  server = await startTestServer()
  vault = await server.newVault()
  call = server.vault(vault.name)
  await call('PUT', '/secrets/s', { value: 'v' })
})
after(() => server.stop())

test('members that every object has are plain data in a body', async () => {
  const body =
    '{"value":"v","tags":{"__proto__":"a","constructor":"b","toString":"c"},"__proto__":{"contentType":"evil"}}'
  const answer = await call('PUT', '/secrets/named', body)
  assert.equal(answer.status, 200)
  assert.match(answer.text, /"tags":\{"__proto__":"a","constructor":"b","toString":"c"\}/)
  assert.equal(answer.json.contentType, undefined)
  assert.equal((await call('GET', '/secrets/named')).text.includes('"__proto__":"a"'), true)
  assert.equal('contentType' in {}, false)
})

test('members that every object has mean nothing in a query, a form or a path', async () => {
  assert.equal((await call('GET', '/secrets/s?api-version=7.4&__proto__=x&constructor[prototype][x]=y')).status, 200)
  const answer = await server.send({
    method: 'POST',
    host: 'login.localhost',
    path: '/__proto__/oauth2/v2.0/token',
    token: null,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: '__proto__=x&constructor=y&grant_type=client_credentials&client_id=__proto__&client_secret=z&resource=https://x',
  })
  assert.equal(answer.status, 400)
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
    assert.ok([400, 404].includes((await call('GET', `/secrets/${name}`)).status), name)
  }
  assert.equal('x' in {}, false)
})

test('a body of any depth is refused like any other wrong one', async () => {
  const depth = 60_000
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const inside = open === '[' ? '' : '1'
    const deep = open.repeat(40_000) + inside + close.repeat(40_000)
    const answer = await call('PUT', '/secrets/deep', `{"value":"v","more":${deep}}`)
    assert.deepEqual([answer.status, answer.json.error.code], [400, 'BadParameter'])
  }
  assert.equal((await call('PUT', '/secrets/deep', '['.repeat(depth))).status, 400)
  assert.doesNotMatch(server.logged(), /"level":50/)
})

test('a tag is text, whatever its name', async () => {
  for (const value of ['1', 'null', '[]', '{}', '[["x"]]']) {
    const answer = await call('PUT', '/secrets/tagged', `{"value":"v","tags":{"a\\nb":${value}}}`)
    assert.equal(answer.status, 400, value)
  }
})

test('an api-version is as long as versions are', async () => {
  const long = `7.4-preview.${'1'.repeat(20_000)}`
  const answer = await call('GET', `/secrets/s?api-version=${long}`)
  assert.equal(answer.status, 400)
  const record = server
    .auditLines()
    .find(({ properties }) => properties.requestId === answer.headers['x-ms-request-id'])
  assert.ok(record.operationVersion.length <= 64)
})

test('a page token leads nowhere but into the list it is given to', async () => {
  const other = await server.newVault()
  await server.vault(other.name)('PUT', '/secrets/hidden', { value: 'x' })
  const forge = (marker: string) => {
    const inner = Buffer.from(`000001!${marker}!000028!9999-12-31T23:59:59.9999999Z!`).toString('base64')
    return Buffer.from(JSON.stringify({ NextMarker: `2!${inner.length}!${inner}`, TargetLocation: 0 })).toString(
      'base64url',
    )
  }
  for (const marker of [
    `secret/../${other.vaultId}/hidden`,
    `secret/${other.vaultId}/HIDDEN`,
    'secret/%2e%2e',
    'secret/\u{10ffff}',
    'secret/',
    'key/A',
    'secret/A/B/C',
    '\0',
  ]) {
    const answer = await call('GET', `/secrets?api-version=7.4&$skiptoken=${forge(marker)}`)
    assert.ok(!answer.text.includes('hidden'), marker)
    assert.ok(answer.status === 400 || answer.json.value.length === 0, marker)
  }
  const all = await call('GET', `/secrets?api-version=7.4&$skiptoken=${encodeSkipToken('secret/0')}`)
  assert.ok(all.json.value.every(({ id }: { id: string }) => id.includes(`//${vault.name}.`)))
})

for (const [what, request] of [
  ['a path of slashes', () => call('GET', `/${'/'.repeat(30_000)}secrets`)],
  ['a path of escapes', () => call('GET', `/secrets/${'%25'.repeat(9_000)}`)],
  ['a path of dots', () => call('GET', `/secrets/${'../'.repeat(9_000)}`)],
  ['a page token', () => call('GET', `/secrets?api-version=7.4&$skiptoken=${'A'.repeat(30_000)}`)],
  ['a maxresults', () => call('GET', `/secrets?api-version=7.4&maxresults=${'9'.repeat(30_000)}`)],
  ['a query of ampersands', () => call('GET', `/secrets?${'&'.repeat(30_000)}`)],
  ['a token of dots', () => call('GET', '/secrets', undefined, { token: '.'.repeat(16_000) })],
  ['a token of blanks', () => call('GET', '/secrets', undefined, { token: `${' '.repeat(16_000)}x` })],
  [
    'a scheme of blanks',
    () =>
      call('GET', '/secrets', undefined, { token: null, headers: { authorization: `Basic ${' '.repeat(16_000)}!` } }),
  ],
  [
    'a content type of blanks',
    () => call('PUT', '/secrets/s', {}, { headers: { 'content-type': `application/json${' '.repeat(16_000)}x` } }),
  ],
  [
    'a client id of blanks',
    () => call('GET', '/secrets', undefined, { headers: { 'x-ms-client-request-id': `${' '.repeat(16_000)}x` } }),
  ],
  [
    'a host of hyphens',
    () => server.send({ path: '/', token: null, headers: { host: `${'-.'.repeat(8_000)}vault.localhost` } }),
  ],
  ['a secret name of hyphens', () => call('GET', `/secrets/${'-'.repeat(1_000)}!`)],
] as const) {
  test(`${what} of great length keeps nobody waiting`, async () => {
    const startedMs = performance.now()
    const { status } = await request()
    assert.ok(status >= 200 && status < 500, String(status))
    assert.ok(performance.now() - startedMs < MAX_BUSY_MS)
  })
}

test('a marker of great length is no page token', () => {
  assert.equal(decodeSkipToken('A'.repeat(100_000)), undefined)
})
