/**
 * With --soft-delete-latency-seconds a deletion and a recovery stay unfinished for a while, as they do at the real
 * service: clients that poll have something to poll.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import {
  assertRefused,
  beingDeleted,
  beingDeletedOnCreate,
  deletedButRecoverable,
  deletedSecretNotFound,
  restoreConflict,
  secretNotFound,
  versionOf,
} from '../../support/vault-answers.ts'

const LATENCY_SECONDS = 10
let server: TestServer
before(async () => {
  server = await startTestServer({ softDeleteLatencySeconds: LATENCY_SECONDS })
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
const EMPTY = '{"value":[],"nextLink":null}'

test('while a deletion runs the secret is neither live nor deleted, and its name is taken', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  const deleted = await call('DELETE', '/secrets/s')
  assert.equal(deleted.status, 200)
  for (const seconds of [0, LATENCY_SECONDS - 1]) {
    server.clock.advance(seconds * 1_000)
    assertRefused(await call('GET', '/secrets/s'), 404, secretNotFound('s'))
    assertRefused(await call('DELETE', '/secrets/s'), 404, secretNotFound('s'))
    assertRefused(await call('GET', '/deletedsecrets/S'), 404, deletedSecretNotFound('S'))
    assertRefused(await call('PUT', '/secrets/S', { value: 'w' }), 409, beingDeletedOnCreate('S'))
    assertRefused(await call('POST', '/deletedsecrets/S/recover'), 409, beingDeleted('S'))
    for (const path of ['/secrets', '/deletedsecrets', '/secrets/s/versions']) {
      assert.equal((await call('GET', path)).text, EMPTY, path)
    }
  }
  server.clock.advance(1_000)
  assert.equal((await call('GET', '/deletedsecrets/s')).text, deleted.text)
  assert.equal((await call('GET', '/deletedsecrets')).json.value.length, 1)
  assertRefused(await call('PUT', '/secrets/s', { value: 'w' }), 409, deletedButRecoverable('s'))
})

test('a purge straight after the deletion is done', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/s', { value: 'v' })
  await call('DELETE', '/secrets/s')
  assert.equal((await call('DELETE', '/deletedsecrets/s')).status, 204)
  assert.equal((await call('PUT', '/secrets/s', { value: 'w' })).status, 200)
})

test('while a recovery runs the secret is not there yet, and its name is taken', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const version = versionOf(await call('PUT', '/secrets/s', { value: 'v' }))
  const blob = (await call('POST', '/secrets/s/backup')).json.value as string
  await call('DELETE', '/secrets/s')
  server.clock.advance(LATENCY_SECONDS * 1_000)
  assert.equal((await call('POST', '/deletedsecrets/s/recover')).status, 200)
  for (const seconds of [0, LATENCY_SECONDS - 1]) {
    server.clock.advance(seconds * 1_000)
    assertRefused(await call('GET', '/secrets/S'), 404, secretNotFound('S'))
    assertRefused(await call('PATCH', '/secrets/S', {}), 404, secretNotFound('S'))
    assertRefused(await call('DELETE', '/secrets/S'), 404, secretNotFound('S'))
    assertRefused(await call('GET', '/deletedsecrets/S'), 404, deletedSecretNotFound('S'))
    assertRefused(await call('PUT', '/secrets/S', { value: 'w' }), 409, {
      code: 'Conflict',
      inner: 'ObjectIsBeingRecovered',
      message: 'Secret S is currently being recovered; retry later.',
    })
    const id = `https://${vault.name}.vault.localhost:${server.port}/secrets/s/${version}`
    assertRefused(await call('POST', '/secrets/restore', { value: blob }), 409, restoreConflict(id))
    for (const path of ['/secrets', '/deletedsecrets', '/secrets/s/versions']) {
      assert.equal((await call('GET', path)).text, EMPTY, path)
    }
  }
  server.clock.advance(1_000)
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v')
  assert.equal((await call('GET', '/secrets')).json.value.length, 1)
  assert.equal((await call('PUT', '/secrets/s', { value: 'w' })).status, 200)
})

test('the dates count from the deletion, not from its end', async () => {
  const call = server.vault((await server.newVault({ softDeleteRetentionInDays: 7 })).name)
  await call('PUT', '/secrets/s', { value: 'v' })
  const at = Math.floor(server.clock.nowMs() / 1000)
  const { deletedDate, scheduledPurgeDate } = (await call('DELETE', '/secrets/s')).json
  assert.deepEqual([deletedDate, scheduledPurgeDate], [at, at + 7 * 86_400])
})

test('hidden secrets shorten a page of a list but do not end it', async () => {
  const call = await newCall()
  for (const name of ['a', 'b', 'c']) {
    await call('PUT', `/secrets/${name}`, { value: 'v' })
    await call('DELETE', `/secrets/${name}`)
  }
  server.clock.advance(LATENCY_SECONDS * 1_000)
  await call('POST', '/deletedsecrets/a/recover')
  server.clock.advance(LATENCY_SECONDS * 1_000)
  await call('POST', '/deletedsecrets/b/recover')
  await call('DELETE', '/secrets/a')
  await call('POST', '/deletedsecrets/c/recover')
  server.clock.advance((LATENCY_SECONDS - 1) * 1_000)
  for (const path of ['/secrets', '/deletedsecrets']) assert.equal((await call('GET', path)).text, EMPTY, path)
  const first = await call('GET', '/secrets?api-version=7.4&maxresults=1')
  assert.equal(first.json.value.length, 0)
  assert.notEqual(first.json.nextLink, null)
})
