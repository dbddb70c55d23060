/** The service's budgets per vault, scaled down so that they are quickly spent. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders } from '../../support/vault-answers.ts'
import { vaultOperations } from './vault-requests.ts'

/** Three sets and forty other requests in ten seconds. */
const SCALE = 0.01
const SETS = 3
const OTHERS = 40

let server: TestServer
before(async () => {
  server = await startTestServer({ throttleScale: SCALE })
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)

const throttled = {
  code: 'Throttled',
  message: 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
}

test('every operation but a set shares one budget, and a set has its own', async () => {
  const call = await newCall()
  for (let count = 0; count < OTHERS; count++) assert.equal((await call('GET', '/secrets')).status, 200)
  for (const { id, method, path, body, throttle } of vaultOperations) {
    const answer = await call(method, path, body)
    if (throttle === 'secretCreate') {
      assert.equal(answer.status, 200, id)
    } else {
      assertRefused(answer, 429, throttled)
      assertVaultHeaders(answer, { byRole: true })
    }
  }
})

test('sets are counted by themselves', async () => {
  const call = await newCall()
  for (let count = 0; count < SETS; count++) assert.equal((await call('PUT', '/secrets/s', { value: 'v' })).status, 200)
  assertRefused(await call('PUT', '/secrets/s', { value: 'v' }), 429, throttled)
  assert.equal((await call('GET', '/secrets/s')).status, 200)
})

test('another vault is not touched', async () => {
  const [call, other] = [await newCall(), await newCall()]
  for (let count = 0; count <= SETS; count++) await call('PUT', '/secrets/s', { value: 'v' })
  assert.equal((await other('PUT', '/secrets/s', { value: 'v' })).status, 200)
})

test('refused requests do not count, and the budget comes back with time', async () => {
  const call = await newCall()
  const set = async () => (await call('PUT', '/secrets/s', { value: 'v' })).status
  for (let count = 0; count < SETS; count++) assert.equal(await set(), 200)
  for (let count = 0; count < 10; count++) assert.equal(await set(), 429)
  server.clock.advance(Math.ceil(10_000 / SETS))
  assert.deepEqual([await set(), await set()], [200, 429])
  server.clock.advance(60_000)
  assert.deepEqual(
    [await set(), await set(), await set(), await set()],
    [200, 200, 200, 429],
    'no more than a whole budget',
  )
})

test('requests refused before they reach the budget do not count', async () => {
  const call = await newCall()
  for (let count = 0; count < SETS; count++) {
    assert.equal((await call('PUT', '/secrets/s', { value: 'v' }, { token: null })).status, 401)
    assert.equal((await call('PUT', '/secrets/s?x', { value: 'v' })).status, 400)
  }
  for (let count = 0; count < SETS; count++) assert.equal((await call('PUT', '/secrets/s', { value: 'v' })).status, 200)
})
