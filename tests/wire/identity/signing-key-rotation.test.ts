/** Signing keys over weeks, and the tokens they signed, as two processes of one installation see them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createJwtVerifier } from '../../../src/adapters/token-verifiers/jwt/jwt-verifier.ts'
import {
  DEFAULT_SIGNING_KEY_DAYS,
  SIGNING_KEY_LEAD_SECONDS,
  SIGNING_KEY_RETIREMENT_SECONDS,
  SIGNING_KEYS_REREAD_MS,
} from '../../../src/domain/identity/limits.ts'
import type { TokenAuthority } from '../../../src/flows/token-authority.ts'
import {
  AUTHORITY_URL,
  DAY_MS,
  type Installation,
  openInstallation,
  partsOf,
  postToken,
  secretForm,
  VAULT_RESOURCE,
} from './identity-fixture.ts'

const LEAD_MS = SIGNING_KEY_LEAD_SECONDS * 1000
const RETIREMENT_MS = SIGNING_KEY_RETIREMENT_SECONDS * 1000
const PERIOD_MS = DEFAULT_SIGNING_KEY_DAYS * DAY_MS

async function tokenOf({ context, createApp, tenant }: Installation, authority?: TokenAuthority): Promise<string> {
  const app = await createApp()
  const reply = await postToken(context({}, authority ? { authority } : {}), tenant.tenantId, secretForm(app))
  assert.equal(reply.status, 200)
  return String(reply.body.access_token)
}

const kidOf = (token: string) => String(partsOf(token).header.kid)
const publishedBy = async (authority: TokenAuthority) => (await authority.publishedKeys()).map(({ kid }) => kid)

function verifierOf({ tenant, clock }: Installation, authority: TokenAuthority) {
  const verifier = createJwtVerifier({ builtIn: { authorityUrl: AUTHORITY_URL, keys: authority.keys }, outside: [] })
  return async (token: string) => {
    const verdict = await verifier.verify(token, {
      tenantId: tenant.tenantId,
      audiences: [VAULT_RESOURCE],
      expectedAudience: VAULT_RESOURCE,
      nowMs: clock.nowMs(),
    })
    return verdict.accepted ? 'accepted' : verdict.problem.kind
  }
}

test('the vault takes the tokens of its own authority', async () => {
  const installation = await openInstallation()
  const verify = verifierOf(installation, installation.authority)
  assert.equal(await verify(await tokenOf(installation)), 'accepted')
})

test('processes that start at once end up with the same key', async () => {
  const { authority, newAuthority, store } = await openInstallation()
  const [one, two] = await Promise.all([publishedBy(authority), publishedBy(newAuthority())])
  assert.deepEqual(one, two)
  assert.equal((await store.page('signingKeys', { prefix: '', limit: 10 })).length, 1)
})

test('a new key is published a day before it signs, and the old one until its last token expired', async () => {
  const installation = await openInstallation()
  const { authority, clock } = installation
  const first = kidOf(await tokenOf(installation))
  clock.move(PERIOD_MS - LEAD_MS - 1)
  assert.deepEqual(await publishedBy(authority), [first])

  clock.move(1)
  const [second, ...others] = await publishedBy(authority)
  assert.deepEqual(others, [first])
  assert.equal(kidOf(await tokenOf(installation)), first)

  clock.move(LEAD_MS - 1)
  const last = await tokenOf(installation)
  assert.equal(kidOf(last), first)
  clock.move(1)
  assert.equal(kidOf(await tokenOf(installation)), second)

  const verify = verifierOf(installation, authority)
  assert.equal(await verify(last), 'accepted')
  clock.move(RETIREMENT_MS - 1)
  assert.deepEqual(await publishedBy(authority), [second, first])
  clock.move(1)
  assert.equal(await verify(last), 'unknownKey')
  assert.deepEqual(await publishedBy(authority), [second])
})

test('the private part of a key nothing needs any more is gone from the store', async () => {
  const { authority, clock, store } = await openInstallation()
  await authority.publishedKeys()
  const stored = async () => (await store.page('signingKeys', { prefix: '', limit: 10 })).map(({ key }) => key)
  const [first] = await stored()
  clock.move(PERIOD_MS)
  await authority.maintainKeys()
  clock.move(LEAD_MS + RETIREMENT_MS)
  await authority.maintainKeys()
  const left = await stored()
  assert.equal(left.length, 1)
  assert.ok(!left.includes(first ?? ''))
})

test('after a long sleep the old key signs on until the new one was published for a day', async () => {
  const installation = await openInstallation()
  const first = kidOf(await tokenOf(installation))
  installation.clock.move(10 * PERIOD_MS)
  assert.equal(kidOf(await tokenOf(installation)), first)
  assert.equal((await installation.authority.publishedKeys()).length, 2)
  installation.clock.move(LEAD_MS)
  assert.notEqual(kidOf(await tokenOf(installation)), first)
})

test('a key that another process made and uses is known here at once', async () => {
  const installation = await openInstallation()
  const verify = verifierOf(installation, installation.authority)
  const other = installation.newAuthority()
  assert.equal(await verify(await tokenOf(installation, other)), 'accepted')
})

test('a key that another process removed ends remembered tokens here within a second', async () => {
  const installation = await openInstallation()
  const { clock, records } = installation
  const token = await tokenOf(installation)
  const verify = verifierOf(installation, installation.newAuthority())
  assert.equal(await verify(token), 'accepted')
  const [key] = await records.page('signingKeys', { prefix: 'signing-', limit: 1 })
  await records.commit([{ collection: 'signingKeys', key: key?.key ?? '', expect: key?.revision ?? 0, meta: null }])
  clock.move(SIGNING_KEYS_REREAD_MS)
  assert.equal(await verify(token), 'unknownKey')
})

test('a clock that is set back before the first key still signs', async () => {
  const installation = await openInstallation()
  const first = kidOf(await tokenOf(installation))
  installation.clock.move(-30 * DAY_MS)
  assert.equal(kidOf(await tokenOf(installation)), first)
  assert.equal((await installation.authority.publishedKeys()).length, 1)
})

test('a store that cannot answer makes tokens unverifiable, not accepted', async () => {
  const { StoreUnavailable } = await import('../../../src/ports/store.ts')
  const installation = await openInstallation()
  const token = await tokenOf(installation)
  const { TokenSigningKeys } = await import('../../../src/flows/token-signing-keys.ts')
  const keys = new TokenSigningKeys({
    ...installation.parts,
    records: { ...installation.records, page: () => Promise.reject(new StoreUnavailable()) },
    signingPeriodMs: PERIOD_MS,
  })
  const verifier = createJwtVerifier({ builtIn: { authorityUrl: AUTHORITY_URL, keys }, outside: [] })
  const verdict = await verifier.verify(token, {
    tenantId: installation.tenant.tenantId,
    audiences: [VAULT_RESOURCE],
    expectedAudience: VAULT_RESOURCE,
    nowMs: installation.clock.nowMs(),
  })
  assert.deepEqual(verdict, { accepted: false, problem: { kind: 'issuerUnavailable' } })
})
