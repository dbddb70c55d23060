/** Attacks on the verifier, and what a remembered token still has to prove. */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { CompactSign } from 'jose'
import { MAX_TOKEN_CHARACTERS } from '../../../domain/identity/limits.ts'
import { algorithmsOf } from '../../../domain/identity/signed-token.ts'
import type { IssuerKeys, KeyLookup } from '../../../ports/issuer-keys.ts'
import type { TokenExpectation, TokenVerdict } from '../../../ports/token-verifier.ts'
import { createJwtVerifier } from './jwt-verifier.ts'

const AUTHORITY = 'https://login.test:8443'
const TENANT = '11111111-1111-4111-8111-111111111111'
const OTHER_TENANT = '22222222-2222-4222-8222-222222222222'
const VAULT = 'https://vault.test:8443'
const OUTSIDE = 'https://issuer.test'
const NOW_MS = Date.UTC(2027, 0, 15, 12)
const NOW = NOW_MS / 1000

const ours = generateKeyPairSync('rsa', { modulusLength: 2048 })
const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** An issuer whose keys the test changes; asks counts the look-ups. */
class TestKeys implements IssuerKeys {
  readonly #found = new Map<string, KeyLookup>()
  lookUps = 0
  constructor(keys: Record<string, KeyObject>) {
    for (const [kid, publicKey] of Object.entries(keys)) this.put(kid, publicKey)
  }
  put(kid: string, publicKey: KeyObject): void {
    this.#found.set(kid, { kind: 'found', key: { kid, publicKey, algorithms: algorithmsOf(publicKey) } })
  }
  drop(kid: string): void {
    this.#found.delete(kid)
  }
  lookUp(kid: string): KeyLookup {
    this.lookUps += 1
    return this.#found.get(kid) ?? { kind: 'unknown' }
  }
}

function setUp(maxCachedTokens?: number) {
  const builtInKeys = new TestKeys({ 'key-1': ours.publicKey, 'key-ec': ec.publicKey })
  const outsideKeys = new TestKeys({ 'key-1': theirs.publicKey, 'key-2': theirs.publicKey })
  const verifier = createJwtVerifier({
    builtIn: { authorityUrl: AUTHORITY, keys: builtInKeys },
    outside: [
      {
        issuer: OUTSIDE,
        tenantId: OTHER_TENANT,
        keys: outsideKeys,
        audiences: ['keyhaven'],
        claimMapping: { oid: 'sub', groups: 'roles' },
      },
    ],
    ...(maxCachedTokens === undefined ? {} : { maxCachedTokens }),
  })
  return { builtInKeys, outsideKeys, verifier }
}

const expectation: TokenExpectation = {
  tenantId: TENANT,
  audiences: [VAULT, 'https://vault.azure.net'],
  expectedAudience: VAULT,
  nowMs: NOW_MS,
}
const outsideExpectation: TokenExpectation = { ...expectation, tenantId: OTHER_TENANT }

const claims = {
  aud: VAULT,
  iss: `${AUTHORITY}/${TENANT}/`,
  tid: TENANT,
  oid: '33333333-3333-4333-8333-333333333333',
  appid: '44444444-4444-4444-8444-444444444444',
  appidacr: '1',
  idtyp: 'app',
  groups: ['g1', 'g2'],
  nbf: NOW,
  exp: NOW + 3600,
}
const outsideClaims = {
  iss: OUTSIDE,
  aud: 'keyhaven',
  sub: 'service-7',
  azp: 'client-7',
  roles: ['r1'],
  exp: NOW + 3600,
}
const HEADER = { alg: 'RS256', typ: 'JWT', kid: 'key-1' }

function sign(
  payload: object,
  header: { alg: string; [name: string]: unknown } = HEADER,
  key: KeyObject = ours.privateKey,
) {
  return new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader(header).sign(key)
}

const encode = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

async function problemOf(token: string, expected = expectation): Promise<string> {
  const verdict = await setUp().verifier.verify(token, expected)
  return verdict.accepted ? 'accepted' : verdict.problem.kind
}

function callerOf(verdict: TokenVerdict) {
  assert.ok(verdict.accepted, JSON.stringify(verdict))
  return verdict.caller
}

test('a good token names its caller', async () => {
  const caller = callerOf(await setUp().verifier.verify(await sign(claims), expectation))
  assert.deepEqual(JSON.parse(JSON.stringify(caller)), {
    oid: claims.oid,
    tid: TENANT,
    iss: claims.iss,
    exp: claims.exp,
    groups: ['g1', 'g2'],
    appid: claims.appid,
    appidacr: '1',
    idtyp: 'app',
  })
})

test('PS256 and ES256 count as well as RS256', async () => {
  assert.equal(await problemOf(await sign(claims, { ...HEADER, alg: 'PS256' })), 'accepted')
  assert.equal(await problemOf(await sign(claims, { alg: 'ES256', kid: 'key-ec' }, ec.privateKey)), 'accepted')
})

test('an unsigned token is refused, however its algorithm is spelt', async () => {
  for (const alg of ['none', 'None', 'NONE', '', undefined]) {
    const token = `${encode({ ...HEADER, alg })}.${encode(claims)}.`
    assert.equal(await problemOf(token), 'unsupportedAlgorithm')
  }
})

test('a token without its signature is refused', async () => {
  const [header, payload] = (await sign(claims)).split('.')
  assert.equal(await problemOf(`${header}.${payload}.`), 'badSignature')
})

test('HMAC with the public key as secret is refused', async () => {
  for (const secret of [
    ours.publicKey.export({ format: 'pem', type: 'spki' }),
    ours.publicKey.export({ format: 'der', type: 'spki' }),
  ]) {
    const signed = `${encode({ ...HEADER, alg: 'HS256' })}.${encode(claims)}`
    const mac = createHmac('sha256', secret).update(signed).digest('base64url')
    assert.equal(await problemOf(`${signed}.${mac}`), 'unsupportedAlgorithm')
  }
})

test('algorithms off the list are refused', async () => {
  for (const alg of ['RS384', 'RS512', 'PS384', 'PS512']) {
    assert.equal(await problemOf(await sign(claims, { ...HEADER, alg })), 'unsupportedAlgorithm')
  }
})

test('an algorithm that does not fit the key is refused', async () => {
  assert.equal(await problemOf(await sign(claims, { alg: 'ES256', kid: 'key-1' }, ec.privateKey)), 'badSignature')
  assert.equal(await problemOf(await sign(claims, { alg: 'RS256', kid: 'key-ec' })), 'badSignature')
})

test('a token of another key is refused', async () => {
  assert.equal(await problemOf(await sign(claims, HEADER, theirs.privateKey)), 'badSignature')
})

test('a token of an unknown key, or of none, is refused', async () => {
  for (const kid of ['key-9', '__proto__', 'constructor', '', undefined, 7]) {
    assert.equal(await problemOf(await sign(claims, { ...HEADER, kid })), 'unknownKey')
  }
})

test('keys and addresses inside the token are ignored', async () => {
  const jwk = theirs.publicKey.export({ format: 'jwk' })
  const planted = { jwk, jku: 'https://evil.test/keys', x5u: 'https://evil.test/cert', x5c: ['MIIB'] }
  assert.equal(await problemOf(await sign(claims, { ...HEADER, ...planted }, theirs.privateKey)), 'badSignature')
  assert.equal(await problemOf(await sign(claims, { ...HEADER, ...planted })), 'accepted')
})

test("one issuer's key never counts for another issuer's token", async () => {
  // Both issuers publish a key named key-1; only the outside one has key-2.
  assert.equal(await problemOf(await sign(claims, { ...HEADER, kid: 'key-2' }, theirs.privateKey)), 'unknownKey')
  assert.equal(await problemOf(await sign(outsideClaims), outsideExpectation), 'badSignature')
  const asOurs = { ...outsideClaims, iss: claims.iss, tid: TENANT, oid: claims.oid, aud: VAULT }
  assert.equal(await problemOf(await sign(asOurs, HEADER, theirs.privateKey)), 'badSignature')
})

test('an unknown issuer is refused, with the issuers that would count', async () => {
  for (const iss of [
    'https://evil.test/',
    `${AUTHORITY}/${TENANT}`,
    `${AUTHORITY}/${TENANT}/v2.0`,
    `${AUTHORITY}.evil.test/${TENANT}/`,
    `${OUTSIDE}/`,
    OUTSIDE.toUpperCase(),
  ]) {
    const verdict = await setUp().verifier.verify(await sign({ ...claims, iss }), expectation)
    assert.deepEqual(verdict, { accepted: false, problem: { kind: 'wrongIssuer', found: iss, expected: [claims.iss] } })
  }
})

test('a token whose issuer and tenant differ is refused', async () => {
  assert.equal(await problemOf(await sign({ ...claims, tid: OTHER_TENANT })), 'wrongIssuer')
  assert.equal(await problemOf(await sign({ ...claims, tid: undefined })), 'wrongIssuer')
})

test('a token of another tenant is refused', async () => {
  const foreign = { ...claims, iss: `${AUTHORITY}/${OTHER_TENANT}/`, tid: OTHER_TENANT }
  const token = await sign(foreign)
  const verdict = await setUp().verifier.verify(token, expectation)
  const expected = [claims.iss]
  assert.deepEqual(verdict, { accepted: false, problem: { kind: 'wrongIssuer', found: foreign.iss, expected } })
  assert.equal(await problemOf(token, outsideExpectation), 'accepted')
})

test('another audience is refused and quoted', async () => {
  for (const aud of ['https://graph.test', `${VAULT}/x`, `x${VAULT}`, VAULT.toUpperCase(), `${VAULT}//`]) {
    const verdict = await setUp().verifier.verify(await sign({ ...claims, aud }), expectation)
    assert.deepEqual(verdict, { accepted: false, problem: { kind: 'wrongAudience', found: aud } })
  }
})

test('an audience counts with a trailing slash, and as one of several', async () => {
  assert.equal(await problemOf(await sign({ ...claims, aud: `${VAULT}/` })), 'accepted')
  assert.equal(await problemOf(await sign({ ...claims, aud: ['https://other.test', VAULT] })), 'accepted')
})

test('time counts with a skew of five minutes, both ways', async () => {
  assert.equal(await problemOf(await sign({ ...claims, exp: NOW - 299 })), 'accepted')
  assert.equal(await problemOf(await sign({ ...claims, exp: NOW - 300 })), 'expired')
  assert.equal(await problemOf(await sign({ ...claims, nbf: NOW + 300 })), 'accepted')
  assert.equal(await problemOf(await sign({ ...claims, nbf: NOW + 301 })), 'notYetValid')
})

test('claims that have to be there, and to be of their type, are asked for', async () => {
  const lacking = async (name: string, value: unknown) => {
    const verdict = await setUp().verifier.verify(await sign({ ...claims, [name]: value }), expectation)
    return verdict.accepted ? verdict : verdict.problem
  }
  for (const value of [undefined, null, '', 7, {}, ['x']]) {
    assert.deepEqual(await lacking('oid', value), { kind: 'missingClaim', claim: 'oid' })
    assert.deepEqual(await lacking('iss', value), { kind: 'missingClaim', claim: 'iss' })
  }
  for (const value of [undefined, null, '9999999999', true]) {
    assert.deepEqual(await lacking('exp', value), { kind: 'missingClaim', claim: 'exp' })
  }
  for (const value of [undefined, null, 7, []]) {
    assert.deepEqual(await lacking('aud', value), { kind: 'missingClaim', claim: 'aud' })
  }
  assert.deepEqual(await lacking('nbf', 'yesterday'), { kind: 'malformed' })
  assert.equal(
    callerOf(await setUp().verifier.verify(await sign({ ...claims, groups: 'g1' }), expectation)).groups.length,
    0,
  )
})

test('what is not a JWT is malformed, and nothing throws', async () => {
  const good = await sign(claims)
  const [header = '', payload = '', signature = ''] = good.split('.')
  for (const token of [
    '',
    '.',
    '..',
    '...',
    'x',
    `${header}.${payload}`,
    `${good}.x`,
    `${header}..${signature}`,
    `!.${payload}.${signature}`,
    `${encode('[]')}.${payload}.${signature}`,
    `${encode('null')}.${payload}.${signature}`,
    `${header}.${encode('"text"')}.${signature}`,
    `${Buffer.from([0xff, 0xfe]).toString('base64url')}.${payload}.${signature}`,
    `${encode({ ...HEADER, typ: 'dpop+jwt' })}.${payload}.${signature}`,
    `${encode({ ...HEADER, typ: 7 })}.${payload}.${signature}`,
    `${encode({ ...HEADER, crit: ['exp'], exp: 1 })}.${payload}.${signature}`,
    `${header}.${payload}.*`,
    `${header}.${payload}.é`,
    `${good}=`,
    ` ${good}`,
    `${good} `,
    `${good}\n`,
    `${header}.${payload}. ${signature}`,
    // A signature of 256 bytes leaves four bits of its last character unused.
    good.slice(0, -1) + (good.endsWith('A') ? 'B' : String.fromCharCode(good.charCodeAt(good.length - 1) + 1)),
  ]) {
    assert.equal(await problemOf(token), 'malformed', token.slice(0, 60))
  }
  for (const broken of ['AAAA', signature.slice(4), signature.slice(0, -2)]) {
    assert.equal(await problemOf(`${header}.${payload}.${broken}`), 'badSignature')
  }
})

test('types at+jwt and JWT count in any letter case, and none at all', async () => {
  for (const typ of ['jwt', 'JWT', 'at+jwt', 'application/at+jwt', undefined]) {
    assert.equal(await problemOf(await sign(claims, { ...HEADER, typ })), 'accepted')
  }
})

test('a huge token is refused before anything else is done with it', async () => {
  const { verifier, builtInKeys } = setUp()
  const token = await sign({ ...claims, filler: 'x'.repeat(MAX_TOKEN_CHARACTERS) })
  assert.deepEqual(verifier.verify(token, expectation), { accepted: false, problem: { kind: 'malformed' } })
  assert.equal(builtInKeys.lookUps, 0)
})

test('every one-character change of a token is refused', async () => {
  const token = await sign(claims)
  const { verifier } = setUp()
  await verifier.verify(token, expectation)
  for (let at = 0; at < token.length; at += 7) {
    const other = token[at] === 'A' ? 'B' : 'A'
    const verdict = await verifier.verify(token.slice(0, at) + other + token.slice(at + 1), expectation)
    assert.equal(verdict.accepted, false, `changed at ${at}`)
  }
})

test('an outside issuer has its own audiences, tenant and claims', async () => {
  const { verifier } = setUp()
  const header = { ...HEADER, kid: 'key-2' }
  const token = await sign(outsideClaims, header, theirs.privateKey)
  const caller = callerOf(await verifier.verify(token, outsideExpectation))
  assert.deepEqual(
    [caller.oid, caller.tid, caller.iss, caller.appid, caller.groups],
    ['service-7', OTHER_TENANT, OUTSIDE, 'client-7', ['r1']],
  )
  assert.equal((await verifier.verify(token, expectation)).accepted, false)
  const forVault = await sign({ ...outsideClaims, aud: VAULT }, header, theirs.privateKey)
  assert.equal(await problemOf(forVault, outsideExpectation), 'wrongAudience')
  const ofTenant = await sign({ ...outsideClaims, tid: TENANT }, header, theirs.privateKey)
  assert.equal(await problemOf(ofTenant, outsideExpectation), 'wrongIssuer')
  const unmapped = await sign({ ...outsideClaims, sub: undefined, oid: 'x' }, header, theirs.privateKey)
  assert.equal(await problemOf(unmapped, outsideExpectation), 'missingClaim')
})

test('an issuer nobody can reach is said to be that', async () => {
  const keys: IssuerKeys = { lookUp: () => Promise.resolve({ kind: 'unavailable' }) }
  const verifier = createJwtVerifier({ builtIn: { authorityUrl: AUTHORITY, keys }, outside: [] })
  const verdict = await verifier.verify(await sign(claims), expectation)
  assert.deepEqual(verdict, { accepted: false, problem: { kind: 'issuerUnavailable' } })
})

// Remembered tokens

test('a remembered token is answered without a promise, and only for what it is good for', async () => {
  const { verifier } = setUp()
  const token = await sign(claims)
  await verifier.verify(token, expectation)
  const verdict = verifier.verify(token, expectation)
  assert.ok(!(verdict instanceof Promise) && verdict.accepted)
  const kinds = [
    { ...expectation, tenantId: OTHER_TENANT },
    { ...expectation, audiences: ['https://other.test'] },
    { ...expectation, nowMs: NOW_MS - 301_000 },
    { ...expectation, nowMs: (claims.exp + 300) * 1000 },
  ].map((changed) => {
    const answer = verifier.verify(token, changed)
    return answer instanceof Promise ? 'promise' : answer.accepted ? 'accepted' : answer.problem.kind
  })
  assert.deepEqual(kinds, ['wrongIssuer', 'wrongAudience', 'notYetValid', 'expired'])
})

test('a token first refused for one vault is good for another', async () => {
  const { verifier } = setUp()
  const token = await sign(claims)
  const other = { ...expectation, audiences: ['https://other.test'] }
  assert.equal((await verifier.verify(token, other)).accepted, false)
  assert.equal((await verifier.verify(token, expectation)).accepted, true)
})

test('a remembered token does not outlive its key', async () => {
  const { verifier, builtInKeys } = setUp()
  const token = await sign(claims)
  await verifier.verify(token, expectation)
  builtInKeys.drop('key-1')
  assert.deepEqual(await verifier.verify(token, expectation), { accepted: false, problem: { kind: 'unknownKey' } })
})

test('a remembered token does not pass with another key under the name of its own', async () => {
  const { verifier, builtInKeys } = setUp()
  const token = await sign(claims)
  await verifier.verify(token, expectation)
  builtInKeys.put('key-1', theirs.publicKey)
  assert.deepEqual(await verifier.verify(token, expectation), { accepted: false, problem: { kind: 'badSignature' } })
})

test('the memory is bounded: the least recently used token proves itself again', async () => {
  const { verifier } = setUp(2)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((uti) => sign({ ...claims, uti })))
  for (const token of [a, b]) await verifier.verify(token ?? '', expectation)
  await verifier.verify(a ?? '', expectation)
  await verifier.verify(c ?? '', expectation)
  assert.ok(!(verifier.verify(a ?? '', expectation) instanceof Promise))
  const forgotten = verifier.verify(b ?? '', expectation)
  assert.ok(forgotten instanceof Promise)
  assert.equal((await forgotten).accepted, true)
})
