/** A token counts from its start to its end, give or take the clock skew, and every refusal of it is a challenge. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CLOCK_SKEW_SECONDS } from '../../../src/domain/identity/limits.ts'
import type { Vault } from '../../../src/domain/vaults/vault.ts'
import { startTestServer, type TestApp, type TestServer } from '../../support/test-server.ts'
import { assertRefused } from '../../support/vault-answers.ts'

const LIFETIME_SECONDS = 600
let server: TestServer
let vault: Vault
let app: TestApp
before(async () => {
  server = await startTestServer({ tokenLifetimeSeconds: LIFETIME_SECONDS })
  vault = await server.newVault()
  app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Secrets Officer')
})
after(() => server.stop())

const list = (token: string) => server.vault(vault.name)('GET', '/secrets', undefined, { token })

test('a token counts until its end and the skew, and is challenged from then on, however often it was good before', async () => {
  const token = await server.tokenFor(app.clientId, app.clientSecret)
  assert.equal((await list(token)).status, 200)
  server.clock.advance((LIFETIME_SECONDS + CLOCK_SKEW_SECONDS - 1) * 1_000)
  assert.equal((await list(token)).status, 200)
  server.clock.advance(2_000)
  for (let turn = 0; turn < 2; turn++) {
    const answer = await list(token)
    assertRefused(answer, 401, {
      code: 'Unauthorized',
      message: 'AKV10001: Error validating token: IDX10223: Lifetime validation failed. The token is expired.',
    })
    const base = `localhost:${server.port}`
    assert.equal(
      answer.headers['www-authenticate'],
      `Bearer authorization="https://login.${base}/${server.tenantId}", resource="https://vault.${base}"`,
    )
  }
  assert.equal((await list(await server.tokenFor(app.clientId, app.clientSecret))).status, 200)
})

test('a token from the future is challenged until its start is near', async () => {
  server.clock.advance((CLOCK_SKEW_SECONDS + 60) * 1_000)
  const token = await server.tokenFor(app.clientId, app.clientSecret)
  server.clock.advance(-(CLOCK_SKEW_SECONDS + 60) * 1_000)
  assertRefused(await list(token), 401, {
    code: 'Unauthorized',
    message: 'AKV10001: Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid.',
  })
  server.clock.advance(60_000)
  assert.equal((await list(token)).status, 200)
})

test('a token counts for the vault by every name of its audience, and for none of another', async () => {
  const base = `vault.localhost:${server.port}`
  for (const [resource, status] of [
    ['https://vault.azure.net', 200],
    [`https://${base}`, 200],
    ['https://vault.localhost', 200],
    ['cfa8b339-82a2-471a-a3c9-0fc0be7a4093', 200],
    [`https://${vault.name}.${base}`, 401],
    ['https://management.azure.com', 401],
    ['https://vault.azure.net.example.org', 401],
    ['https://example.org', 401],
  ] as const) {
    const token = await server.tokenFor(app.clientId, app.clientSecret, resource)
    assert.equal((await list(token)).status, status, resource)
  }
})
