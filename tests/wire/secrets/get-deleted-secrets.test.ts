/** GET /deletedsecrets */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { followed, skipTokenOf } from '../../support/next-links.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders } from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
type Call = Awaited<ReturnType<typeof newCall>>

async function deleteAll(call: Call, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await call('PUT', `/secrets/${name}`, { value: 'hidden' })
    assert.equal((await call('DELETE', `/secrets/${name}`)).status, 200)
  }
}

const names = (answer: { json: { value: readonly { id: string }[] } }) =>
  answer.json.value.map(({ id }) => id.slice(id.lastIndexOf('/') + 1))

test('a vault without deleted secrets has an empty list', async () => {
  const call = await newCall()
  await call('PUT', '/secrets/live', { value: 'v' })
  const answer = await call('GET', '/deletedsecrets')
  assert.equal(answer.text, '{"value":[],"nextLink":null}')
  assertVaultHeaders(answer, { byRole: true })
})

test('items have no value and no version, and their members come in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  const created = Math.floor(server.clock.nowMs() / 1000)
  await call('PUT', '/secrets/B', {
    value: 'hidden',
    contentType: 'text',
    tags: { a: 'b' },
    attributes: { enabled: false },
  })
  await call('PUT', '/secrets/a', { value: 'hidden', attributes: { exp: 9 } })
  await call('DELETE', '/secrets/B')
  server.clock.advance(3_000)
  await call('DELETE', '/secrets/a')
  const base = `https://${vault.name}.vault.localhost:${server.port}`
  const dates = (at: number) => `"deletedDate":${at},"scheduledPurgeDate":${at + 7 * 86_400}`
  const tail = `"created":${created},"updated":${created},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7}`
  assert.equal(
    (await call('GET', '/deletedsecrets')).text,
    `{"value":[{"recoveryId":"${base}/deletedsecrets/a",${dates(created + 3)},"id":"${base}/secrets/a","attributes":{"enabled":true,"exp":9,${tail}},` +
      `{"recoveryId":"${base}/deletedsecrets/B",${dates(created)},"contentType":"text","id":"${base}/secrets/B","attributes":{"enabled":false,${tail},"tags":{"a":"b"}}],"nextLink":null}`,
  )
})

test('recovered and purged secrets are not listed', async () => {
  const call = await newCall()
  await deleteAll(call, ['c', 'B', 'a'])
  await call('POST', '/deletedsecrets/b/recover')
  await call('DELETE', '/deletedsecrets/c')
  assert.deepEqual(names(await call('GET', '/deletedsecrets')), ['a'])
})

test('pages and next links are as those of live secrets', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  await deleteAll(
    call,
    Array.from({ length: 26 }, (_, index) => `s${String(index).padStart(2, '0')}`),
  )
  const base = `https://${vault.name}.vault.localhost:${server.port}/deletedsecrets`
  const first = await call('GET', '/deletedsecrets?api-version=7.4')
  assert.equal(first.json.value.length, 25)
  assert.equal(first.json.nextLink, `${base}?api-version=7.4&$skiptoken=${skipTokenOf('secret/s25')}`)
  assert.deepEqual(names(await call('GET', followed(first) ?? '')), ['s25'])
  const small = await call('GET', '/deletedsecrets?api-version=7.4&maxresults=3')
  assert.equal(small.json.nextLink, `${base}?api-version=7.4&$skiptoken=${skipTokenOf('secret/s03')}&maxresults=3`)
})

test('secrets recovered and deleted between two pages neither repeat nor hide others', async () => {
  const call = await newCall()
  await deleteAll(call, ['b', 'd', 'f', 'h'])
  const first = await call('GET', '/deletedsecrets?api-version=7.4&maxresults=2')
  await call('POST', '/deletedsecrets/f/recover')
  await deleteAll(call, ['a', 'e', 'g'])
  const second = await call('GET', followed(first) ?? '')
  assert.deepEqual(
    [names(first), names(second)],
    [
      ['b', 'd'],
      ['g', 'h'],
    ],
  )
})

test('page sizes and tokens are checked', async () => {
  const call = await newCall()
  assertRefused(await call('GET', '/deletedsecrets?api-version=7.4&maxresults=0'), 400, {
    code: 'BadParameter',
    message: "The query parameter 'maxresults' has an invalid value: must be >= 1.",
  })
  for (const token of ['junk', skipTokenOf('deletedsecret/a'), skipTokenOf('key/a')]) {
    assertRefused(await call('GET', `/deletedsecrets?api-version=7.4&$skiptoken=${token}`), 400, {
      code: 'BadParameter',
      message: "The query parameter '$skiptoken' has an invalid value: it has to come from a nextLink.",
    })
  }
})
