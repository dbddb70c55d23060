/** GET /secrets/{name}/versions */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startInterruptedServer } from '../../support/interrupted-reads.ts'
import { followed, skipTokenOf } from '../../support/next-links.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders, invalidName, versionOf } from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
type Call = Awaited<ReturnType<typeof newCall>>

/** Sets a secret so many times; answers its versions by id, as lists have them. */
async function setTimes(call: Call, name: string, count: number): Promise<readonly string[]> {
  const made: string[] = []
  for (let turn = 0; turn < count; turn++)
    made.push(versionOf(await call('PUT', `/secrets/${name}`, { value: `${turn}` })))
  return made.sort()
}

const versions = (answer: { json: { value: readonly { id: string }[] } }) =>
  answer.json.value.map(({ id }) => id.slice(id.lastIndexOf('/') + 1))

const EMPTY = '{"value":[],"nextLink":null}'

test('items have no value, a versioned id, and their members in the observed order', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const created = Math.floor(server.clock.nowMs() / 1000)
  const old = versionOf(await call('PUT', '/secrets/Name', { value: 'hidden', contentType: 'text', tags: { a: 'b' } }))
  const current = versionOf(
    await call('PUT', '/secrets/Name', { value: 'hidden', attributes: { enabled: false, exp: 5 } }),
  )
  const base = `https://${vault.name}.vault.localhost:${server.port}/secrets/Name`
  const tail = `"created":${created},"updated":${created},"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90}`
  const items = [
    {
      version: old,
      text: `{"contentType":"text","id":"${base}/${old}","attributes":{"enabled":true,${tail},"tags":{"a":"b"}}`,
    },
    { version: current, text: `{"id":"${base}/${current}","attributes":{"enabled":false,"exp":5,${tail}}` },
  ].sort((a, b) => (a.version < b.version ? -1 : 1))
  const answer = await call('GET', '/secrets/name/versions')
  assert.equal(answer.text, `{"value":[${items.map(({ text }) => text).join(',')}],"nextLink":null}`)
  assertVaultHeaders(answer, { byRole: true })
})

test('the order is by version id, the current one among the others', async () => {
  const call = await newCall()
  const made = await setTimes(call, 's', 12)
  assert.deepEqual(versions(await call('GET', '/secrets/s/versions')), made)
})

test('a secret that does not exist, or not any more, has an empty list', async () => {
  const call = await newCall()
  assert.equal((await call('GET', '/secrets/none/versions')).text, EMPTY)
  await setTimes(call, 's', 3)
  await call('DELETE', '/secrets/s')
  assert.equal((await call('GET', '/secrets/s/versions')).text, EMPTY)
  await call('POST', '/deletedsecrets/s/recover')
  assert.equal(versions(await call('GET', '/secrets/s/versions')).length, 3)
  await call('DELETE', '/secrets/s')
  await call('DELETE', '/deletedsecrets/s')
  assert.equal((await call('GET', '/secrets/s/versions')).text, EMPTY)
  await setTimes(call, 's', 1)
  assert.equal(versions(await call('GET', '/secrets/s/versions')).length, 1, 'nothing of the purged secret comes back')
})

test('a name that begins like another one does not mix with it', async () => {
  const call = await newCall()
  const made = await setTimes(call, 'a', 3)
  await setTimes(call, 'ab', 3)
  await setTimes(call, 'a-b', 3)
  assert.deepEqual(versions(await call('GET', '/secrets/A/versions')), made)
})

test('a name that is none is refused', async () => {
  const call = await newCall()
  assertRefused(await call('GET', '/secrets/a_b/versions'), 400, invalidName('a_b'))
})

test('slashes and letter case of the path are no difference', async () => {
  const call = await newCall()
  const made = await setTimes(call, 's', 2)
  for (const path of ['/secrets/s/versions/', '//secrets//s//versions', '/SECRETS/S/VERSIONS']) {
    assert.deepEqual(versions(await call('GET', path)), made, path)
  }
})

test('a page holds 25 versions unless asked for fewer', async () => {
  const call = await newCall()
  const made = await setTimes(call, 's', 27)
  const first = await call('GET', '/secrets/s/versions')
  assert.deepEqual(versions(first), made.slice(0, 25))
  const second = await call('GET', followed(first) ?? '')
  assert.deepEqual([versions(second), second.json.nextLink], [made.slice(25), null])
})

test('a next link is byte for byte the observed one', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  const made = await setTimes(call, 'Name', 3)
  const answer = await call('GET', '/secrets/nAME/versions?maxresults=2&api-version=7.4')
  const token = skipTokenOf(`secret/name/${made[2]}`)
  assert.equal(
    answer.json.nextLink,
    `https://${vault.name}.vault.localhost:${server.port}/secrets/nAME/versions?api-version=7.4&$skiptoken=${token}&maxresults=2`,
  )
})

test('following the links shows every version once, wherever the current one lies', async () => {
  const call = await newCall()
  for (let round = 0; round < 6; round++) {
    const name = `s${round}`
    const made = await setTimes(call, name, 4 + round)
    for (const size of [1, 2, 3, 4, 5, 25]) {
      const seen: string[] = []
      let path: string | undefined = `/secrets/${name}/versions?api-version=7.4&maxresults=${size}`
      for (let pages = 0; path !== undefined; pages++) {
        assert.ok(pages <= made.length, 'the list does not end')
        const answer = await call('GET', path)
        seen.push(...versions(answer))
        path = followed(answer)
      }
      assert.deepEqual(seen, made)
    }
  }
})

test('versions made between two pages neither repeat nor hide others', async () => {
  const call = await newCall()
  const made = await setTimes(call, 's', 6)
  const first = await call('GET', '/secrets/s/versions?api-version=7.4&maxresults=3')
  const more = await setTimes(call, 's', 6)
  const [marker = ''] = made.slice(3)
  const rest = [...made, ...more].filter((version) => version >= marker).sort()
  const seen: string[] = []
  for (let path = followed(first); path !== undefined; ) {
    const answer = await call('GET', path)
    seen.push(...versions(answer))
    path = followed(answer)
  }
  assert.deepEqual(versions(first), made.slice(0, 3))
  assert.deepEqual(seen, rest)
})

test('a secret deleted between two pages ends the list', async () => {
  const call = await newCall()
  await setTimes(call, 's', 3)
  const next = followed(await call('GET', '/secrets/s/versions?api-version=7.4&maxresults=1')) ?? ''
  await call('DELETE', '/secrets/s')
  assert.equal((await call('GET', next)).text, EMPTY)
})

const foreignToken = {
  code: 'BadParameter',
  message: "The query parameter '$skiptoken' has an invalid value: it has to come from a nextLink.",
}

test('page sizes and tokens are checked', async () => {
  const call = await newCall()
  await setTimes(call, 's', 1)
  assertRefused(await call('GET', '/secrets/s/versions?api-version=7.4&maxresults=26'), 400, {
    code: 'BadParameter',
    message: "The query parameter 'maxresults' has an invalid value: must be <= 25.",
  })
  assertRefused(await call('GET', '/secrets/s/versions?api-version=7.4&$skiptoken=junk'), 400, foreignToken)
})

test('a token of another list is refused', async () => {
  const call = await newCall()
  await setTimes(call, 's', 2)
  for (const first of [
    'secret/s',
    'secret/t',
    `secret/t/${'0'.repeat(32)}`,
    `secret/s/${'0'.repeat(31)}`,
    'secret/s/Z',
  ]) {
    const answer = await call('GET', `/secrets/s/versions?api-version=7.4&$skiptoken=${skipTokenOf(first)}`)
    assertRefused(answer, 400, foreignToken)
  }
})

test('a set while the list is read neither repeats a version nor hides one', async () => {
  // The list is two reads, the head and the older versions; a set in between moves the head among the older ones.
  const interrupted = await startInterruptedServer()
  try {
    const call = interrupted.vault((await interrupted.newVault()).name)
    const first = versionOf(await call('PUT', '/secrets/s', { value: '1' }))
    let second = ''
    interrupted.interruptNext('secretVersions', async () => {
      second = versionOf(await call('PUT', '/secrets/s', { value: '2' }))
    })
    const listed = versions(await call('GET', '/secrets/s/versions'))
    assert.notEqual(second, '')
    const isOneMoment = [[first], [first, second].sort()].some((moment) => moment.join() === listed.join())
    assert.ok(isOneMoment, `listed ${listed.join()} of ${first} and then ${second}`)
  } finally {
    await interrupted.stop()
  }
})
