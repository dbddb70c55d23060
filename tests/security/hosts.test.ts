/** Attacks on the question which vault a request is for. The first ones that worked are described where they are tried. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { hostNames, isLocalHost } from '../../src/http/host-names.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { rawRequest, sendRaw } from './raw-requests.ts'

const QUERY = '?api-version=2026-04-01'

let server: TestServer
let mine: { host: string; token: string }
let other: string
before(async () => {
  server = await startTestServer()
  const [vault, another] = [await server.newVault(), await server.newVault()]
  const app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Secrets Officer')
  mine = { host: `${vault.name}.vault.localhost:${server.port}`, token: app.token }
  other = `${another.name}.vault.localhost:${server.port}`
  await server.vault(vault.name)('PUT', '/secrets/s', { value: 'mine' })
  await server.vault(another.name)('PUT', '/secrets/s', { value: 'not mine' })
})
after(() => server.stop())

const get = (headers: readonly string[], target = `/secrets/s${QUERY}`) =>
  sendRaw(server, rawRequest(`GET ${target}`, [`Authorization: Bearer ${mine.token}`, ...headers]))

test('two Host headers name no host, in either order and letter case', async () => {
  for (const [first, second] of [
    [mine.host, other],
    [other, mine.host],
    [mine.host, mine.host],
  ]) {
    assert.equal((await get([`Host: ${first}`, `hOsT: ${second}`])).status, 404)
  }
})

test('two Authorization headers are no token', async () => {
  for (const second of [`Bearer ${mine.token}`, 'Bearer x', '']) {
    assert.equal((await get([`Host: ${mine.host}`, `authorization: ${second}`])).status, 401)
  }
})

test('a whole address in the request line does not choose another vault than the Host header', async () => {
  for (const scheme of ['https', 'http', 'HTTPS']) {
    const answer = await get([`Host: ${mine.host}`], `${scheme}://${other}/secrets/s${QUERY}`)
    assert.equal(answer.status, 404)
  }
})

test('headers that speak of another host, path or method change nothing', async () => {
  const answer = await get([
    `Host: ${mine.host}`,
    `X-Forwarded-Host: ${other}`,
    `Forwarded: host=${other};for=192.0.2.1`,
    `X-Original-Host: ${other}`,
    'X-Forwarded-For: 192.0.2.1',
    'X-Real-IP: 192.0.2.1',
    'X-Original-URL: /secrets/other',
    'X-Rewrite-URL: /secrets/other',
    'X-HTTP-Method-Override: DELETE',
  ])
  assert.deepEqual([answer.status, JSON.parse(answer.text).value], [200, 'mine'])
  assert.match(answer.head, /addr=127\.0\.0\.1;/)
})

test('text around a host name makes it none of ours', async () => {
  const name = mine.host.replace(/:.*/, '')
  for (const host of [
    `user@${name}`,
    `user:password@${name}`,
    `${name}@${other}`,
    `${name}..`,
    `${name}/`,
    `${name}#`,
    `${name}?`,
    `${name}\\`,
    `${name}%00`,
    `${name}%2e`,
    `${name}\t`.concat('x'),
    `${name},${other}`,
    `${name} ${other}`,
    `${name}:`,
    `${name}:0`,
    `${name}:65536`,
    `${name}:+443`,
    `x.${name}`,
    `${name}.example.org`,
    `.${name}`,
    '_.vault.localhost',
    '-.vault.localhost',
    '0x7f.1',
    '[::1',
    '[::1]x',
    '\u00e9.vault.localhost',
  ]) {
    assert.equal((await get([`Host: ${host}`])).status, 404, JSON.stringify(host))
  }
})

test('a right on one vault is none on another, by whatever name it is asked for', async () => {
  const name = other.replace(/:.*/, '')
  for (const host of [
    other,
    name,
    other.toUpperCase(),
    `${name}.`,
    name.replace('vault.localhost', 'vault.azure.net'),
  ]) {
    assert.equal((await get([`Host: ${host}`])).status, 403, host)
  }
})

test('a name too long for a vault is not looked for, and leaves nothing behind', () => {
  const names = hostNames({ domain: 'localhost', defaultVault: undefined, port: 443 })
  assert.equal(names.target(`${'a'.repeat(25)}.vault.localhost`).kind, 'unknown')
  assert.equal(names.target(`${'a'.repeat(30_000)}.vault.localhost`).kind, 'unknown')
  const known = names.target('dev.vault.localhost')
  for (let index = 0; index < 2_000; index++) names.target(`stranger-${index}.example.org`)
  assert.equal(names.target('dev.vault.localhost'), known, 'it is still the remembered one')
})

test('only names that no other site can have count as local', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:80',
    'a.localhost',
    '127.0.0.1:1',
    '[::1]:1',
    '169.254.169.254',
    undefined,
  ]) {
    assert.ok(isLocalHost(host), host)
  }
  for (const host of [
    '',
    'example.org',
    '127.0.0.1.example.org',
    'localhost.example.org',
    'xlocalhost',
    '127.1',
    '[::1].example.org',
  ]) {
    assert.ok(!isLocalHost(host), host)
  }
})
