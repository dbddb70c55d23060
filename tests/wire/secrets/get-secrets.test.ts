/** GET /secrets */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { followed, skipTokenOf, tokenAround } from '../../support/next-links.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders } from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const newCall = async () => server.vault((await server.newVault()).name)
type Call = Awaited<ReturnType<typeof newCall>>

async function setAll(call: Call, names: readonly string[]): Promise<void> {
  for (const name of names) assert.equal((await call('PUT', `/secrets/${name}`, { value: 'v' })).status, 200)
}

async function setMany(call: Call, count: number): Promise<void> {
  await setAll(
    call,
    Array.from({ length: count }, (_, index) => `s${String(index).padStart(3, '0')}`),
  )
}

const names = (answer: { json: { value: readonly { id: string }[] } }) =>
  answer.json.value.map(({ id }) => id.slice(id.lastIndexOf('/') + 1))

test('an empty vault has an empty list', async () => {
  const answer = await (await newCall())('GET', '/secrets')
  assert.equal(answer.text, '{"value":[],"nextLink":null}')
  assertVaultHeaders(answer, { byRole: true })
})

test('items have no value and no version, and their members come in the observed order', async () => {
  const vault = await server.newVault({ softDeleteRetentionInDays: 7 })
  const call = server.vault(vault.name)
  await call('PUT', '/secrets/b', { value: 'hidden', contentType: 'old' })
  await call('PUT', '/secrets/b', {
    value: 'hidden',
    contentType: 'text',
    tags: { a: 'b' },
    attributes: { nbf: 1, exp: 2 },
  })
  await call('PUT', '/secrets/A', { value: 'hidden', attributes: { enabled: false } })
  const now = Math.floor(server.clock.nowMs() / 1000)
  const base = `https://${vault.name}.vault.localhost:${server.port}/secrets`
  const tail = `"created":${now},"updated":${now},"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7}`
  assert.equal(
    (await call('GET', '/secrets')).text,
    `{"value":[{"id":"${base}/A","attributes":{"enabled":false,${tail}},` +
      `{"contentType":"text","id":"${base}/b","attributes":{"enabled":true,"nbf":1,"exp":2,${tail},"tags":{"a":"b"}}],"nextLink":null}`,
  )
})

test('the order is by name without regard to case', async () => {
  const call = await newCall()
  await setAll(call, ['b', 'C', 'a', 'B2', 'a-b', 'A1', 'ab', '1'])
  assert.deepEqual(names(await call('GET', '/secrets')), ['1', 'a', 'a-b', 'A1', 'ab', 'b', 'B2', 'C'])
})

test('deleted secrets are not listed', async () => {
  const call = await newCall()
  await setAll(call, ['a', 'b', 'c'])
  await call('DELETE', '/secrets/b')
  assert.deepEqual(names(await call('GET', '/secrets')), ['a', 'c'])
})

test('a page holds 25 items unless asked for fewer, and the last full page has no next link', async () => {
  const call = await newCall()
  await setMany(call, 25)
  const full = await call('GET', '/secrets')
  assert.deepEqual([full.json.value.length, full.json.nextLink], [25, null])
  await setAll(call, ['z'])
  const first = await call('GET', '/secrets')
  assert.equal(first.json.value.length, 25)
  const second = await call('GET', followed(first) ?? '')
  assert.deepEqual([names(second), second.json.nextLink], [['z'], null])
})

test('a next link is byte for byte the observed one, with maxresults only where the request had it', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  await setMany(call, 26)
  const base = `https://${vault.name}.vault.localhost:${server.port}`
  const link = async (path: string) => (await call('GET', path)).json.nextLink as string
  assert.equal(
    await link('/secrets?api-version=7.4'),
    `${base}/secrets?api-version=7.4&$skiptoken=${skipTokenOf('secret/s025')}`,
  )
  assert.equal(
    await link('/secrets?maxresults=1&api-version=7.4'),
    `${base}/secrets?api-version=7.4&$skiptoken=${skipTokenOf('secret/s001')}&maxresults=1`,
  )
  // The path of the request, without its final slash.
  assert.equal(
    await link('//Secrets/?maxresults=25&api%2Dversion=2026-04-01&other=1'),
    `${base}/Secrets?api-version=2026-04-01&$skiptoken=${skipTokenOf('secret/s025')}&maxresults=25`,
  )
})

test('a next link names port 443 where the client used none', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  await setAll(call, ['a', 'b'])
  const headers = { host: `${vault.name}.vault.azure.net` }
  const answer = await call('GET', '/secrets?api-version=7.4&maxresults=1', undefined, { headers })
  const token = skipTokenOf('secret/b')
  assert.equal(
    answer.json.nextLink,
    `https://${vault.name}.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=${token}&maxresults=1`,
  )
  assert.equal(answer.json.value[0].id, `https://${vault.name}.vault.azure.net/secrets/a`)
})

test('following the links shows every secret once, for every page size', async () => {
  const call = await newCall()
  await setMany(call, 26)
  for (const size of [1, 2, 7, 13, 25]) {
    const seen: string[] = []
    let path: string | undefined = `/secrets?api-version=7.4&maxresults=${size}`
    for (let pages = 0; path !== undefined; pages++) {
      assert.ok(pages <= 26, 'the list does not end')
      const answer = await call('GET', path)
      assert.ok(answer.json.value.length >= 1 && answer.json.value.length <= size)
      seen.push(...names(answer))
      path = followed(answer)
    }
    assert.equal(seen.length, 26)
    assert.equal(new Set(seen).size, 26)
  }
})

test('a link with its dollar sign escaped works too', async () => {
  const call = await newCall()
  await setAll(call, ['a', 'b'])
  const path = followed(await call('GET', '/secrets?api-version=7.4&maxresults=1')) ?? ''
  assert.deepEqual(names(await call('GET', path.replace('$', '%24'))), ['b'])
})

test('secrets made and deleted between two pages neither repeat nor hide others', async () => {
  const call = await newCall()
  await setAll(call, ['b', 'd', 'f', 'h'])
  const first = await call('GET', '/secrets?api-version=7.4&maxresults=2')
  assert.deepEqual(names(first), ['b', 'd'])
  const next = followed(first) ?? ''
  // Also the very item that the link names.
  for (const name of ['b', 'f']) await call('DELETE', `/secrets/${name}`)
  await setAll(call, ['a', 'c', 'e', 'g'])
  const second = await call('GET', next)
  assert.deepEqual(names(second), ['g', 'h'])
  assert.equal(second.json.nextLink, null)
})

test('a next link whose items are all gone leads to an empty last page', async () => {
  const call = await newCall()
  await setAll(call, ['a', 'b'])
  const next = followed(await call('GET', '/secrets?api-version=7.4&maxresults=1')) ?? ''
  await call('DELETE', '/secrets/b')
  assert.equal((await call('GET', next)).text, '{"value":[],"nextLink":null}')
})

test('page sizes outside 1 to 25 are refused', async () => {
  const call = await newCall()
  for (const [size, rule] of [
    ['0', 'must be >= 1'],
    ['-1', 'must be >= 1'],
    ['26', 'must be <= 25'],
    ['1.5', 'must be integer'],
    ['1e1', 'must be integer'],
    ['', 'must be integer'],
    ['all', 'must be integer'],
    ['99999999999999999999', 'must be integer'],
  ] as const) {
    assertRefused(await call('GET', `/secrets?api-version=7.4&maxresults=${size}`), 400, {
      code: 'BadParameter',
      message: `The query parameter 'maxresults' has an invalid value: ${rule}.`,
    })
  }
})

const foreignToken = {
  code: 'BadParameter',
  message: "The query parameter '$skiptoken' has an invalid value: it has to come from a nextLink.",
}

test('tokens that are not ours are refused', async () => {
  const call = await newCall()
  await setAll(call, ['a'])
  const inner = (text: string) => tokenAround(Buffer.from(text).toString('base64'))
  const good = skipTokenOf('secret/a')
  for (const token of [
    '',
    'abc',
    'a'.repeat(3000),
    `${good}=`,
    good.slice(1),
    Buffer.from('{}').toString('base64url'),
    Buffer.from('{"NextMarker":"","TargetLocation":0}').toString('base64url'),
    skipTokenOf('key/a'),
    skipTokenOf('certificate/a'),
    inner(''),
    inner('000008!secret/A!000028!'),
    inner('000010!secret/../!000028!9999-12-31T23:59:59.9999999Z!'),
    inner('000009!secret/\u0000!000028!9999-12-31T23:59:59.9999999Z!'),
  ]) {
    const answer = await call('GET', `/secrets?api-version=7.4&$skiptoken=${encodeURIComponent(token)}`)
    assertRefused(answer, 400, foreignToken)
  }
})

test('a token of a list of versions is refused', async () => {
  const call = await newCall()
  await setAll(call, ['a', 'b'])
  const token = skipTokenOf(`secret/a/${'0'.repeat(32)}`)
  assertRefused(await call('GET', `/secrets?api-version=7.4&$skiptoken=${token}`), 400, foreignToken)
})

test('a token of another vault shows nothing of that vault', async () => {
  const [one, other] = [await newCall(), await newCall()]
  await setAll(one, ['a', 'b'])
  await setAll(other, ['a', 'x', 'y'])
  const next = followed(await other('GET', '/secrets?api-version=7.4&maxresults=1')) ?? ''
  assert.equal((await one('GET', next)).text, '{"value":[],"nextLink":null}')
})
