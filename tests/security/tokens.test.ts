/** Attacks on who is asking: tokens made by others, for others, of other kinds, or changed on the way. */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Vault } from '../../src/domain/vaults/vault.ts'
import { createUser } from '../../src/flows/identity-administration.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { startTestServer, type TestApp, type TestServer } from '../support/test-server.ts'

let server: TestServer
let vault: Vault
let app: TestApp
before(async () => {
  server = await startTestServer()
  vault = await server.newVault()
  app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Administrator')
})
after(() => server.stop())

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
const part = (token: string, index: number) =>
  JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString()) as Record<string, unknown>
const statusWith = async (token: string, name = vault.name) =>
  (await server.vault(name)('GET', '/secrets', undefined, { token })).status

test('the honest token opens the vault', async () => {
  assert.equal(await statusWith(app.token), 200)
})

test('a token for another service does not open a vault, nor the other way round', async () => {
  const forManagement = await server.tokenFor(app.clientId, app.clientSecret, 'https://management.azure.com')
  assert.equal(await statusWith(forManagement), 401)
  for (const resource of [
    'https://vault.azure.net.example.org',
    'https://vault',
    'https://storage.azure.com',
    app.clientId,
  ]) {
    assert.equal(await statusWith(await server.tokenFor(app.clientId, app.clientSecret, resource)), 401, resource)
  }
  const answer = await server.send({ host: 'management.localhost', path: '/tenants', token: app.token })
  assert.equal(answer.status, 401)
})

test('a token of one tenant does not open a vault of another, even for a principal with a role there', async () => {
  const tenantId = await server.newTenant()
  const foreign = await server.newVault({ tenantId })
  await server.assign(foreign, app.objectId, 'Key Vault Administrator')
  assert.equal(await statusWith(app.token, foreign.name), 401)
  const stranger = await server.newApp({ tenantId })
  await server.assign(vault, stranger.objectId, 'Key Vault Administrator')
  assert.equal(await statusWith(stranger.token), 401)
})

test('an ID token or a refresh token is no access token', async () => {
  const user = await createUser(
    { records: server.data.installation, clock: server.clock, random: systemRandom },
    {
      userPrincipalName: 'ada@example.org',
      displayName: 'Ada',
      password: 'correct horse battery',
      tenantId: server.tenantId,
    },
  )
  await server.assign(vault, user.objectId, 'Key Vault Administrator')
  const answer = await server.send({
    method: 'POST',
    host: 'login.localhost',
    path: `/${server.tenantId}/oauth2/v2.0/token`,
    token: null,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'password',
      client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
      username: 'ada@example.org',
      password: 'correct horse battery',
      scope: 'https://vault.azure.net/.default openid offline_access',
    }).toString(),
  })
  assert.equal(await statusWith(answer.json.access_token), 200)
  assert.equal(await statusWith(answer.json.id_token), 401)
  assert.equal(await statusWith(answer.json.refresh_token), 401)
})

test('a token that somebody else signed, or nobody, opens nothing', async () => {
  const [header, claims] = [part(app.token, 0), part(app.token, 1)]
  const keys = await server.send({ host: 'login.localhost', path: '/common/discovery/keys', token: null })
  const [published] = keys.json.keys
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signed = (head: object) => {
    const content = `${encoded(head)}.${encoded(claims)}`
    return `${content}.${sign('sha256', Buffer.from(content), privateKey).toString('base64url')}`
  }
  const hmacOf = (key: string) => {
    const content = `${encoded({ ...header, alg: 'HS256' })}.${encoded(claims)}`
    return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`
  }
  const jwk = publicKey.export({ format: 'jwk' })
  for (const [what, token] of [
    ['no algorithm', `${encoded({ ...header, alg: 'none' })}.${encoded(claims)}.`],
    ['no algorithm in capitals', `${encoded({ ...header, alg: 'NONE' })}.${encoded(claims)}.AA`],
    ['the public key as a secret', hmacOf(published.x5c[0])],
    ['the modulus as a secret', hmacOf(published.n)],
    ['another key under the right name', signed(header)],
    ['a key that the token brings', signed({ ...header, jwk })],
    [
      'a key set that the token names',
      signed({ ...header, jku: 'https://example.org/keys', x5u: 'https://example.org' }),
    ],
    ['a key name that is a path', signed({ ...header, kid: '../../../../dev/null' })],
    ['a key name that every object has', signed({ ...header, kid: '__proto__' })],
    ['a critical extension', signed({ ...header, crit: ['b64'], b64: false })],
  ] as const) {
    assert.equal(await statusWith(token), 401, what)
  }
})

test('a token with other claims than were signed opens nothing', async () => {
  const [header, , signature] = app.token.split('.')
  const claims = part(app.token, 1)
  for (const change of [
    { oid: server.tenantId },
    { exp: 99_999_999_999 },
    { aud: ['https://vault.azure.net'] },
    { x: 1 },
  ]) {
    assert.equal(await statusWith(`${header}.${encoded({ ...claims, ...change })}.${signature}`), 401)
  }
})

test('one signed token cannot be written in many ways', async () => {
  for (const variant of [
    `${app.token}=`,
    `${app.token}.`,
    app.token.replace('.', '..'),
    `.${app.token}`,
    `${app.token}A`,
  ]) {
    assert.equal(await statusWith(variant), 401, variant.slice(-5))
  }
})

test('a role on one secret opens it in any letter case and escaped, and nothing else', async () => {
  const call = server.vault(vault.name)
  for (const name of ['Foo', 'foo2', 'fo', 'foo-']) await call('PUT', `/secrets/${name}`, { value: name })
  const reader = await server.newApp()
  await server.assign(vault, reader.objectId, 'Key Vault Secrets User', '/secrets/foo')
  const read = async (path: string) => (await call('GET', path, undefined, { token: reader.token })).status
  for (const path of ['/secrets/Foo', '/secrets/foo', '/secrets/FOO', '/secrets/%66oo', '//secrets//foo/']) {
    assert.equal(await read(path), 200, path)
  }
  for (const path of [
    '/secrets/foo2',
    '/secrets/fo',
    '/secrets/foo-',
    '/secrets/foo%2F..%2Ffoo2',
    '/secrets/foo%00',
    '/secrets/f%EF%BD%8Fo',
    '/secrets/%66oo%20',
    '/secrets',
    '/deletedsecrets',
  ]) {
    assert.equal(await read(path), 403, path)
  }
})
