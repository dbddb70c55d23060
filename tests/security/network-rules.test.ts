/** A firewall rule that somebody mistyped lets nobody in; it used to let everybody in, or fail every request. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../support/test-server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

async function statusUnder(...ipRules: readonly string[]): Promise<number> {
  const vault = await server.newVault({ networkAcls: { bypass: 'None', defaultAction: 'Deny', ipRules } })
  return (await server.vault(vault.name)('GET', '/secrets')).status
}

for (const rule of [
  '192.0.2.1/',
  '192.0.2.1/ ',
  '192.0.2.1/0x0',
  '192.0.2.1/-0',
  '192.0.2.1/0e0',
  '192.0.2.1/33',
  '192.0.2.1/-1',
  '127.0.0.1/8/8',
  '127.0.0.1/8.0',
  '127.1',
  '0/0',
  '*',
  '',
  ' 127.0.0.1',
  '::1/129',
  '::/',
]) {
  test(`the rule "${rule}" lets nobody in`, async () => {
    assert.equal(await statusUnder(rule), 403)
  })
}

test('a mistyped rule leaves the others in force', async () => {
  assert.equal(await statusUnder('192.0.2.1/99', 'x', '127.0.0.0/8'), 200)
})

test('rules that are right let in whom they name', async () => {
  for (const rule of ['127.0.0.1', '127.0.0.1/32', '127.0.0.0/8', '0.0.0.0/0', '::ffff:127.0.0.1']) {
    assert.equal(await statusUnder(rule), 200, rule)
  }
})
