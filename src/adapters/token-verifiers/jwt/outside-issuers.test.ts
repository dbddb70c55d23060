/** Reading other issuers' keys: what is refused, what is remembered, and for how long. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Clock } from '../../../ports/clock.ts'
import { readKeySet } from './key-set.ts'
import { openOutsideIssuers } from './outside-issuers.ts'
import { documentReader, requireSafeAddress } from './read-document.ts'
import { RefreshingIssuerKeys } from './refreshing-issuer-keys.ts'
import {
  KEY_SET_COOL_DOWN_MS,
  KEY_SET_FRESH_MS,
  KEY_SET_STALE_MS,
  MAX_KEY_DOCUMENT_BYTES,
  parseOutsideIssuers,
} from './settings.ts'

const TENANT = '11111111-1111-4111-8111-111111111111'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const jwkOf = (kid: string | undefined, pair = rsa, more: object = {}) => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  ...(kid === undefined ? {} : { kid }),
  ...more,
})

function testClock() {
  let nowMs = 1_000_000_000
  const timers: (() => void)[] = []
  const clock: Clock = {
    nowMs: () => nowMs,
    after(_delayMs, callback) {
      timers.push(callback)
      return () => undefined
    },
  }
  return { clock, timers, move: (ms: number) => (nowMs += ms) }
}

test('only keys that may verify signatures of ours are taken from a set', () => {
  const set = readKeySet(
    {
      keys: [
        jwkOf('rsa'),
        jwkOf('only-ps', rsa, { alg: 'PS256' }),
        jwkOf('ec', ec, { use: 'sig', key_ops: ['verify'] }),
        jwkOf('weak', weak),
        jwkOf('p384', p384),
        jwkOf('for-encryption', rsa, { use: 'enc' }),
        jwkOf('for-wrapping', rsa, { key_ops: ['wrapKey'] }),
        jwkOf('other-algorithm', rsa, { alg: 'RS512' }),
        jwkOf(undefined),
        jwkOf('rsa', ec),
        { kty: 'oct', kid: 'secret', k: 'AAAA' },
        { kty: 'RSA', kid: 'broken', n: '!', e: {} },
        'text',
        null,
      ],
    },
    undefined,
  )
  assert.deepEqual(
    [...set].map(([kid, { found }]) => [kid, found.key.algorithms]),
    [
      ['rsa', ['RS256', 'PS256']],
      ['only-ps', ['PS256']],
      ['ec', ['ES256']],
    ],
  )
})

test('a private key in a set is reduced to its public part', () => {
  const set = readKeySet({ keys: [{ ...rsa.privateKey.export({ format: 'jwk' }), kid: 'leaked' }] }, undefined)
  assert.equal(set.get('leaked')?.found.key.publicKey.type, 'public')
})

test('what is not a key set is refused', () => {
  for (const document of [null, [], {}, { keys: {} }, 'x', { keys: Array(101).fill(jwkOf('a')) }]) {
    assert.throws(() => readKeySet(document, undefined))
  }
})

/** Keys whose source the test controls. */
function controlled() {
  const { clock, move } = testClock()
  const state = { keys: [jwkOf('one')] as object[], isUp: true, reads: 0, failures: 0 }
  const keys = new RefreshingIssuerKeys({
    clock,
    read: async () => {
      state.reads += 1
      if (!state.isUp) throw new Error('down')
      return { keys: state.keys }
    },
    onFailure: () => {
      state.failures += 1
    },
  })
  return { keys, state, move, kindOf: async (kid: string) => (await keys.lookUp(kid)).kind }
}

test('keys are read once, and then answered without a promise', async () => {
  const { keys, state } = controlled()
  const first = await keys.lookUp('one')
  const second = keys.lookUp('one')
  assert.ok(!(second instanceof Promise) && second === first)
  assert.equal(state.reads, 1)
})

test('many look-ups at the start share one read', async () => {
  const { kindOf, state } = controlled()
  assert.deepEqual(await Promise.all([kindOf('one'), kindOf('one'), kindOf('two')]), ['found', 'found', 'unknown'])
  assert.equal(state.reads, 1)
})

test('an unknown key makes us read again, but only after the cool-down', async () => {
  const { kindOf, state, move } = controlled()
  await kindOf('one')
  state.keys.push(jwkOf('two', ec))
  assert.equal(await kindOf('two'), 'unknown')
  assert.equal(state.reads, 1)
  move(KEY_SET_COOL_DOWN_MS)
  assert.equal(await kindOf('two'), 'found')
  for (let asked = 0; asked < 50; asked += 1) await kindOf(`made-up-${asked}`)
  assert.equal(state.reads, 2)
})

test('a withdrawn key ends with the next reading, and an unchanged one stays the same object', async () => {
  const { keys, kindOf, state, move } = controlled()
  state.keys.push(jwkOf('two', ec))
  const before = await keys.lookUp('one')
  state.keys.pop()
  move(KEY_SET_FRESH_MS)
  assert.equal(await kindOf('two'), 'unknown')
  assert.equal(await keys.lookUp('one'), before)
})

test('another key under a known name is another object', async () => {
  const { keys, state, move } = controlled()
  const before = await keys.lookUp('one')
  state.keys = [jwkOf('one', ec)]
  move(KEY_SET_FRESH_MS)
  assert.notEqual(await keys.lookUp('one'), before)
})

test('while an issuer is down its last keys count for a bounded time, and it is asked only now and then', async () => {
  const { keys, kindOf, state, move } = controlled()
  await kindOf('one')
  state.isUp = false
  move(KEY_SET_FRESH_MS)
  assert.equal(await kindOf('one'), 'found')
  assert.equal(state.failures, 1)
  assert.ok(!(keys.lookUp('one') instanceof Promise))
  assert.equal(await kindOf('two'), 'unavailable')
  assert.equal(state.reads, 2)
  move(KEY_SET_STALE_MS)
  assert.equal(await kindOf('one'), 'unavailable')
  state.isUp = true
  assert.equal(await kindOf('one'), 'unavailable')
  move(KEY_SET_COOL_DOWN_MS)
  assert.equal(await kindOf('one'), 'found')
})

test('only https is asked, and http on this machine itself', () => {
  for (const address of ['https://a.test/k', 'http://localhost:1/k', 'http://127.0.0.1/k', 'http://[::1]:8080/k']) {
    requireSafeAddress(address)
  }
  for (const address of [
    'http://a.test/k',
    'http://localhost.a.test',
    'http://127.0.0.1.a.test',
    'file:///k',
    'ftp://a',
    '/k',
  ]) {
    assert.throws(() => requireSafeAddress(address), /https|absolute/, address)
  }
})

type Answering = (
  path: string,
) => { status?: number; headers?: Record<string, string>; body?: string | Buffer } | 'hang'

async function listening(answering: Answering): Promise<{ base: string; server: Server }> {
  const server = createServer((request, response) => {
    const answer = answering(request.url ?? '')
    if (answer === 'hang') return
    response.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
  })
}

test('an issuer is found by its discovery document, which has to name it', async () => {
  let named = ''
  const { base, server } = await listening((path) =>
    path === '/.well-known/openid-configuration'
      ? { body: JSON.stringify({ issuer: named, jwks_uri: `${base}/keys` }) }
      : { body: JSON.stringify({ keys: [jwkOf('one')] }) },
  )
  try {
    const { clock, move } = testClock()
    const failures: unknown[] = []
    const issuers = await openOutsideIssuers({
      clock,
      settings: [],
      onFailure: (_issuer, error) => failures.push(error),
    })
    named = `${base}/other`
    assert.equal((await issuers.keysOf(base).lookUp('one')).kind, 'unavailable')
    assert.match(String(failures[0]), /names another issuer/)
    named = base
    move(KEY_SET_COOL_DOWN_MS)
    assert.equal((await issuers.keysOf(base).lookUp('one')).kind, 'found')
  } finally {
    await close(server)
  }
})

test('redirects, other statuses, too large and unreadable answers are refused', async () => {
  const { base, server } = await listening((path) => {
    if (path === '/moved') return { status: 302, headers: { location: '/good' } }
    if (path === '/missing') return { status: 404, body: '{"keys":[]}' }
    if (path === '/large') return { body: Buffer.alloc(MAX_KEY_DOCUMENT_BYTES + 1, ' ') }
    if (path === '/text') return { body: 'not json' }
    return { body: '{}' }
  })
  try {
    const read = documentReader(testClock().clock)
    assert.deepEqual(await read(`${base}/good`), {})
    for (const path of ['/moved', '/missing', '/large', '/text']) {
      await assert.rejects(read(`${base}${path}`), /reading http/, path)
    }
  } finally {
    await close(server)
  }
})

test('an issuer that does not answer is given up', async () => {
  const { clock, timers } = testClock()
  const { base, server } = await listening(() => {
    for (const timer of timers) timer()
    return 'hang'
  })
  try {
    await assert.rejects(documentReader(clock)(`${base}/hang`), /reading http/)
  } finally {
    await close(server)
  }
})

test('keys may come from a file, which has to be there at the start and is read again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keyhaven-issuers-'))
  try {
    const { clock, move } = testClock()
    const jwksFile = join(folder, 'keys.json')
    const settings = [{ issuer: 'https://offline.test', tenantId: TENANT, jwksFile }]
    const open = () => openOutsideIssuers({ clock, settings, onFailure: () => undefined })
    await assert.rejects(open(), /ENOENT/)
    await writeFile(jwksFile, JSON.stringify({ keys: [jwkOf('one')] }))
    const keys = (await open()).keysOf('https://offline.test')
    assert.equal((await keys.lookUp('one')).kind, 'found')
    await writeFile(jwksFile, JSON.stringify({ keys: [jwkOf('two', ec)] }))
    move(KEY_SET_FRESH_MS)
    assert.equal((await keys.lookUp('two')).kind, 'found')
    assert.equal((await keys.lookUp('one')).kind, 'unknown')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('settings that are unsafe or contradict themselves are refused at the start', async () => {
  const { clock } = testClock()
  const issuer = 'https://a.test'
  for (const settings of [
    [{ issuer: 'http://a.test', tenantId: TENANT }],
    [{ issuer, tenantId: TENANT, jwksUri: 'http://a.test/keys' }],
    [{ issuer, tenantId: TENANT, jwksUri: 'https://a.test/keys', jwksFile: 'keys.json' }],
    [
      { issuer, tenantId: TENANT },
      { issuer, tenantId: TENANT },
    ],
  ]) {
    await assert.rejects(openOutsideIssuers({ clock, settings, onFailure: () => undefined }))
  }
})

test('the file of trusted issuers is read strictly, with a sentence about what is wrong', () => {
  const good = { issuer: 'https://a.test', tenantId: TENANT, audiences: ['x'], claimMapping: { oid: 'sub' } }
  assert.deepEqual(parseOutsideIssuers(JSON.stringify([good])), [good])
  assert.throws(() => parseOutsideIssuers('{'), /not JSON/)
  assert.throws(() => parseOutsideIssuers('{}'), /not right/)
  assert.throws(() => parseOutsideIssuers(JSON.stringify([{ ...good, tenantId: 'x' }])), /\/0\/tenantId/)
  assert.throws(() => parseOutsideIssuers(JSON.stringify([{ ...good, audience: 'x' }])), /not right/)
})
