/**
 * Attacks on the endpoints without TLS, by what runs on the machine without meaning harm: a browser that shows somebody's
 * page, and a service that can be talked into fetching an address.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { freePort, rawRequest, sendRaw } from './raw-requests.ts'

let server: TestServer
let identityPort: number
let metricsPort: number
let proxyPort: number
before(async () => {
  identityPort = await freePort()
  metricsPort = await freePort()
  proxyPort = await freePort()
  server = await startTestServer({ managedIdentityPort: identityPort, metricsPort, proxyPort })
})
after(() => server.stop())

const METADATA_PATH = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'
const askIdentity = (headers: readonly string[], method = 'GET') =>
  sendRaw({ port: identityPort, plain: true }, rawRequest(`${method} ${METADATA_PATH}`, headers))

test('a process of this machine gets the token', async () => {
  for (const host of [`127.0.0.1:${identityPort}`, 'localhost', '169.254.169.254', '[::1]']) {
    assert.equal((await askIdentity([`Host: ${host}`, 'Metadata: true'])).status, 200, host)
  }
})

test('a page whose name was led to this machine (DNS rebinding) gets nothing, whatever headers it sets', async () => {
  for (const host of [
    `attacker.example:${identityPort}`,
    '127.0.0.1.attacker.example',
    'localhost.attacker.example',
    'attacker.example.',
    '',
  ]) {
    const answer = await askIdentity([`Host: ${host}`, 'Metadata: true'])
    assert.equal(answer.status, 421, host)
    assert.ok(!answer.text.includes('access_token'))
  }
  const twice = await askIdentity([`Host: 127.0.0.1:${identityPort}`, 'Host: attacker.example', 'Metadata: true'])
  assert.equal(twice.status, 421)
})

test('a page of another origin is not allowed to ask, and told nothing it could read', async () => {
  const origin = 'Origin: https://attacker.example'
  const asked = await askIdentity(
    ['Host: 127.0.0.1', origin, 'Access-Control-Request-Method: GET', 'Access-Control-Request-Headers: metadata'],
    'OPTIONS',
  )
  assert.equal(asked.status, 405)
  for (const answer of [asked, await askIdentity(['Host: 127.0.0.1', origin])]) {
    assert.doesNotMatch(answer.head, /access-control-allow/i)
    assert.ok(!answer.text.includes('access_token'))
  }
})

test('a request without the Metadata header, or one that was forwarded, gets nothing', async () => {
  for (const headers of [
    [],
    ['Metadata: false'],
    ['Metadata: true', 'X-Forwarded-For: 1'],
    ['Metadata: true', 'Forwarded: for=1'],
  ]) {
    assert.equal((await askIdentity(['Host: 127.0.0.1', ...headers])).status, 400)
  }
})

test('the form with a secret header gives nothing without it', async () => {
  for (const header of ['X-Other: 1', 'X-IDENTITY-HEADER: ', 'X-IDENTITY-HEADER: guess', 'Metadata: true']) {
    const answer = await sendRaw(
      { port: identityPort, plain: true },
      rawRequest('GET /msi/token?resource=https://vault.azure.net', ['Host: 127.0.0.1', header]),
    )
    assert.equal(answer.status, 401, header)
  }
})

test('no vault is answered without TLS', async () => {
  for (const path of ['/secrets?api-version=7.4', '/healthstatus', '/subscriptions', '/common/discovery/keys']) {
    const answer = await sendRaw({ port: identityPort, plain: true }, rawRequest(`GET ${path}`, ['Host: localhost']))
    assert.equal(answer.status, 404, path)
  }
})

test('metrics are told to this machine only, and have no names of vaults, secrets or callers in them', async () => {
  await server.vault('dev')('PUT', '/secrets/very-secret-name', { value: 'v' })
  await server.send({ path: '/attacker-chosen-path', host: 'attacker-chosen.vault.localhost', token: null })
  await server.send({ path: '/x', method: 'PROPFIND', token: null })
  const ask = (host: string) =>
    sendRaw({ port: metricsPort, plain: true }, rawRequest('GET /metrics', [`Host: ${host}`]))
  assert.equal((await ask('attacker.example')).status, 421)
  const { status, text } = await ask(`127.0.0.1:${metricsPort}`)
  assert.equal(status, 200)
  assert.match(
    text,
    /keyhaven_service_api_result_total\{activity_type="vault",activity_name="secretset",status_code="200"\} 1/,
  )
  assert.doesNotMatch(text, /very-secret-name|attacker-chosen|PROPFIND/i)
})

test('the proxy leads to this server and to nothing else on the machine', async () => {
  const tunnel = async (target: string) => {
    const answer = await sendRaw(
      { port: proxyPort, plain: true },
      `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\nno TLS`,
    )
    return answer.status
  }
  assert.equal(await tunnel('dev.vault.azure.net:443'), 200)
  assert.equal(await tunnel(`127.0.0.1:${server.port}`), 200)
  for (const target of [
    `127.0.0.1:${identityPort}`,
    `localhost:${metricsPort}`,
    `[::1]:${identityPort}`,
    `[::ffff:127.0.0.1]:${identityPort}`,
    `0.0.0.0:${server.port}`,
    `127.1:${server.port}`,
    `2130706433:${server.port}`,
    '169.254.169.254:443',
    'example.org:443',
    'dev.vault.azure.net:22',
    'dev.vault.azure.net.example.org:443',
    'xvault.azure.net:443',
  ]) {
    assert.equal(await tunnel(target), 502, target)
  }
  for (const target of [
    'user@dev.vault.azure.net:443',
    'dev.vault.azure.net',
    'dev.vault.azure.net:443/x',
    'https://dev.vault.azure.net',
  ]) {
    assert.equal(await tunnel(target), 400, target)
  }
})
