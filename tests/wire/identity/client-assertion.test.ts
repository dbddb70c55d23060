/** Applications that sign in with a certificate or with a token of another issuer instead of a secret. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { CompactSign } from 'jose'
import { CLIENT_ASSERTION_TYPE } from '../../../src/domain/identity/client-assertion.ts'
import { MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION } from '../../../src/domain/identity/limits.ts'
import { algorithmsOf } from '../../../src/domain/identity/signed-token.ts'
import { createManagedIdentity } from '../../../src/flows/identity-administration.ts'
import {
  addCertificate,
  addFederatedCredential,
  type CreatedApplication,
  removeCredential,
} from '../../../src/flows/identity-applications.ts'
import { writeKeyCertificate } from '../../../src/formats/x509-certificate.ts'
import type { IssuerKeys } from '../../../src/ports/issuer-keys.ts'
import {
  AUTHORITY_URL,
  DAY_MS,
  getManagedToken,
  type Installation,
  openInstallation,
  partsOf,
  postToken,
  START_MS,
  VAULT_RESOURCE,
} from './identity-fixture.ts'

const NOW = START_MS / 1000
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })

function certificateOf(privateKey: KeyObject, days = 365): X509Certificate {
  const validity = { notBeforeMs: START_MS - DAY_MS, notAfterMs: START_MS + days * DAY_MS }
  const serial = Buffer.from('0102030405060708', 'hex')
  return new X509Certificate(writeKeyCertificate({ serial, commonName: 'client', privateKey, ...validity }))
}

const rsaCertificate = certificateOf(rsa.privateKey)
const ecCertificate = certificateOf(ec.privateKey)

const thumbprint = (certificate: X509Certificate, kind: 'fingerprint' | 'fingerprint256' = 'fingerprint') =>
  Buffer.from(certificate[kind].replaceAll(':', ''), 'hex').toString('base64url')

function sign(claims: object, header: { alg: string; [name: string]: unknown }, key: KeyObject): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key)
}

let lastId = 0
function ownClaims(app: CreatedApplication, tenantId: string, more: object = {}): object {
  lastId += 1
  return {
    aud: `${AUTHORITY_URL}/${tenantId}/oauth2/v2.0/token`,
    iss: app.clientId,
    sub: app.clientId,
    jti: `assertion-${lastId}`,
    nbf: NOW,
    exp: NOW + 600,
    ...more,
  }
}

function assertionForm(app: CreatedApplication, assertion: string): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_id: app.clientId,
    client_assertion_type: CLIENT_ASSERTION_TYPE,
    client_assertion: assertion,
    scope: `${VAULT_RESOURCE}/.default`,
  }
}

async function withCertificate(certificate = rsaCertificate): Promise<Installation & { app: CreatedApplication }> {
  const installation = await openInstallation()
  const app = await installation.createApp({ secretDays: 0 })
  await addCertificate(installation.parts, app.clientId, { displayName: 'test', certificate: certificate.raw })
  return { ...installation, app }
}

const RS256 = { alg: 'RS256', typ: 'JWT', x5t: thumbprint(rsaCertificate) }

const accepted: readonly { name: string; header: { alg: string }; certificate?: X509Certificate; key?: KeyObject }[] = [
  { name: 'RS256 and x5t', header: RS256 },
  {
    name: 'PS256 and x5t#S256',
    header: { alg: 'PS256', 'x5t#S256': thumbprint(rsaCertificate, 'fingerprint256') } as { alg: string },
  },
  {
    name: 'a hexadecimal kid',
    header: { alg: 'RS256', kid: rsaCertificate.fingerprint.replaceAll(':', '') } as { alg: string },
  },
  { name: 'a base64url kid', header: { alg: 'RS256', kid: thumbprint(rsaCertificate) } as { alg: string } },
  {
    name: 'ES256',
    header: { alg: 'ES256', x5t: thumbprint(ecCertificate) } as { alg: string },
    certificate: ecCertificate,
    key: ec.privateKey,
  },
]

for (const { name, header, certificate, key } of accepted) {
  test(`an assertion with ${name} gives a token that says so`, async () => {
    const { app, context, tenant } = await withCertificate(certificate)
    const assertion = await sign(ownClaims(app, tenant.tenantId), header, key ?? rsa.privateKey)
    const reply = await postToken(context(), tenant.tenantId, assertionForm(app, assertion))
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    const { claims } = partsOf(reply.body.access_token)
    assert.deepEqual([claims.appidacr, claims.oid], ['2', app.objectId])
  })
}

for (const audience of ['/{t}/', '/{t}/v2.0', '/{t}', '/{t}/oauth2/token', '/{t}/oauth2/v2.0/token']) {
  test(`the audience ${audience} of an assertion counts`, async () => {
    const { app, context, tenant } = await withCertificate()
    const aud = `${AUTHORITY_URL}${audience.replace('{t}', tenant.tenantId)}`
    const assertion = await sign(ownClaims(app, tenant.tenantId, { aud }), RS256, rsa.privateKey)
    assert.equal((await postToken(context(), tenant.tenantId, assertionForm(app, assertion))).status, 200)
  })
}

test('the address the client called counts as audience, whatever the authority calls itself', async () => {
  const { app, context, tenant } = await withCertificate()
  const called = 'https://login.microsoftonline.com'
  const aud = `${called}/${tenant.tenantId}/oauth2/v2.0/token`
  const assertion = await sign(ownClaims(app, tenant.tenantId, { aud }), RS256, rsa.privateKey)
  const reply = await postToken(context({}, { baseUrl: called }), tenant.tenantId, assertionForm(app, assertion))
  assert.equal(reply.status, 200)
})

const refused: readonly {
  name: string
  claims?: object
  header?: { alg: string; [name: string]: unknown }
  key?: KeyObject
  code: number
}[] = [
  { name: 'signed by another key', key: stranger.privateKey, code: 700027 },
  { name: 'naming an unknown certificate', header: { ...RS256, x5t: thumbprint(ecCertificate) }, code: 700027 },
  { name: 'naming no certificate', header: { alg: 'RS256' }, code: 700027 },
  {
    name: 'bringing its own certificate',
    header: {
      ...RS256,
      x5t: thumbprint(certificateOf(stranger.privateKey)),
      x5c: ['…'],
      jwk: stranger.publicKey.export({ format: 'jwk' }),
    },
    key: stranger.privateKey,
    code: 700027,
  },
  { name: 'for another audience', claims: { aud: 'https://elsewhere.test/' }, code: 700023 },
  { name: 'without audience', claims: { aud: undefined }, code: 700023 },
  { name: 'of another subject', claims: { sub: '00000000-0000-4000-8000-000000000001' }, code: 700021 },
  { name: 'of an issuer nobody federated', claims: { iss: 'https://issuer.test' }, code: 700211 },
  { name: 'that is expired', claims: { exp: NOW - 301 }, code: 700024 },
  { name: 'without expiry', claims: { exp: undefined }, code: 700024 },
  { name: 'that is not yet valid', claims: { nbf: NOW + 301 }, code: 700024 },
  { name: 'that is valid for more than a day', claims: { exp: NOW + 86_400 + 301 }, code: 700024 },
]

for (const { name, claims = {}, header = RS256, key = rsa.privateKey, code } of refused) {
  test(`an assertion ${name} is refused with AADSTS${code}`, async () => {
    const { app, context, tenant } = await withCertificate()
    const assertion = await sign(ownClaims(app, tenant.tenantId, claims), header, key)
    const reply = await postToken(context(), tenant.tenantId, assertionForm(app, assertion))
    assert.deepEqual([reply.status, reply.body.error, reply.body.error_codes], [401, 'invalid_client', [code]])
  })
}

test('an assertion without signature, and one signed with HMAC, is refused', async () => {
  const { app, context, tenant } = await withCertificate()
  const claims = ownClaims(app, tenant.tenantId)
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsigned = `${encode({ ...RS256, alg: 'none' })}.${encode(claims)}.`
  const pem = Buffer.from(rsa.publicKey.export({ format: 'pem', type: 'spki' }))
  const mac = await new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ ...RS256, alg: 'HS256' })
    .sign(pem)
  for (const assertion of [unsigned, mac, 'not a token', `${'a'.repeat(20_000)}.b.c`]) {
    const reply = await postToken(context(), tenant.tenantId, assertionForm(app, assertion))
    assert.deepEqual([reply.status, reply.body.error_codes], [401, [700027]])
  }
})

test('an assertion of another type is refused', async () => {
  const { app, context, tenant } = await withCertificate()
  const form = { ...assertionForm(app, 'x.y.z'), client_assertion_type: 'urn:other' }
  assert.deepEqual((await postToken(context(), tenant.tenantId, form)).body.error_codes, [9002313])
})

test('an expired or removed certificate does not count any more', async () => {
  const short = certificateOf(rsa.privateKey, 2)
  const { app, context, tenant, clock, parts } = await withCertificate(short)
  const header = { alg: 'RS256', x5t: thumbprint(short) }
  const send = async (times: object) => {
    const assertion = await sign(ownClaims(app, tenant.tenantId, times), header, rsa.privateKey)
    return (await postToken(context(), tenant.tenantId, assertionForm(app, assertion))).status
  }
  assert.equal(await send({}), 200)
  clock.move(2 * DAY_MS)
  assert.equal(await send({ nbf: NOW + 2 * 86_400, exp: NOW + 2 * 86_400 + 600 }), 401)
  clock.move(-2 * DAY_MS)
  const added = await addCertificate(parts, app.clientId, { displayName: 'more', certificate: rsaCertificate.raw })
  await removeCredential(parts, app.clientId, added.keyId)
  const assertion = await sign(ownClaims(app, tenant.tenantId), RS256, rsa.privateKey)
  assert.equal((await postToken(context(), tenant.tenantId, assertionForm(app, assertion))).status, 401)
})

test('an assertion is good again for who brought it first, as MSAL for Node needs, and for nobody else', async () => {
  const { app, context, tenant } = await withCertificate()
  const form = assertionForm(app, await sign(ownClaims(app, tenant.tenantId), RS256, rsa.privateKey))
  assert.equal((await postToken(context(), tenant.tenantId, form)).status, 200)
  assert.equal((await postToken(context(), tenant.tenantId, form)).status, 200)
  const elsewhere = await postToken(context({}, { clientAddress: '192.0.2.99' }), tenant.tenantId, form)
  assert.deepEqual([elsewhere.status, elsewhere.body.error_codes], [401, [700027]])
})

test('an assertion is good once where that is asked for, with and without jti', async () => {
  const { app, context, tenant, newAuthority } = await withCertificate()
  const authority = newAuthority({ isAssertionSingleUse: true })
  for (const more of [{}, { jti: undefined }]) {
    const form = assertionForm(app, await sign(ownClaims(app, tenant.tenantId, more), RS256, rsa.privateKey))
    assert.equal((await postToken(context({}, { authority }), tenant.tenantId, form)).status, 200)
    assert.equal((await postToken(context({}, { authority }), tenant.tenantId, form)).status, 401)
  }
})

test('the memory of assertions is bounded, and an application that fills it waits for its own to expire', async () => {
  const { app, context, tenant, clock } = await withCertificate()
  const send = async (seconds: number) => {
    const times = { nbf: NOW + seconds, exp: NOW + seconds + 600 }
    const assertion = await sign(ownClaims(app, tenant.tenantId, times), RS256, rsa.privateKey)
    return (await postToken(context(), tenant.tenantId, assertionForm(app, assertion))).status
  }
  for (let sent = 0; sent < MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION; sent += 1) {
    assert.equal(await send(0), 200)
  }
  assert.equal(await send(0), 503)
  clock.move(901_000)
  assert.equal(await send(901), 200)
})

// Federation

const ISSUER = 'https://cluster.test'
const issuerKeys: IssuerKeys = {
  lookUp: (kid) =>
    kid === 'cluster-1'
      ? { kind: 'found', key: { kid, publicKey: rsa.publicKey, algorithms: algorithmsOf(rsa.publicKey) } }
      : { kind: 'unknown' },
}
const federatedClaims = {
  iss: ISSUER,
  sub: 'system:serviceaccount:shop:web',
  aud: ['api://AzureADTokenExchange'],
  exp: NOW + 3600,
}
const FEDERATED = { alg: 'RS256', kid: 'cluster-1' }

async function federated(): Promise<Installation & { app: CreatedApplication }> {
  const installation = await openInstallation()
  const app = await installation.createApp({ secretDays: 0 })
  const wanted = { displayName: 'cluster', issuer: ISSUER, subject: federatedClaims.sub }
  await addFederatedCredential(installation.parts, app.clientId, wanted)
  installation.issuerKeys.set(ISSUER, issuerKeys)
  return { ...installation, app }
}

test('a token of a federated issuer signs an application in, again and again', async () => {
  const { app, context, tenant } = await federated()
  const form = assertionForm(app, await sign(federatedClaims, FEDERATED, rsa.privateKey))
  for (const clientAddress of ['192.0.2.1', '192.0.2.2']) {
    const reply = await postToken(context({}, { clientAddress }), tenant.tenantId, form)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    assert.equal(partsOf(reply.body.access_token).claims.appidacr, '2')
  }
})

const unfederated: readonly {
  name: string
  claims?: object
  header?: { alg: string; kid?: string }
  key?: KeyObject
  code: number
}[] = [
  { name: 'another issuer', claims: { iss: `${ISSUER}/` }, code: 700211 },
  { name: 'a subject in another letter case', claims: { sub: federatedClaims.sub.toUpperCase() }, code: 700213 },
  { name: 'no subject', claims: { sub: undefined }, code: 700213 },
  { name: 'another audience', claims: { aud: 'https://kubernetes.default.svc' }, code: 700212 },
  { name: 'a key the issuer does not publish', header: { alg: 'RS256', kid: 'cluster-2' }, code: 700027 },
  { name: 'no key name', header: { alg: 'RS256' }, code: 700027 },
  { name: "another key under the issuer's key name", key: stranger.privateKey, code: 700027 },
  { name: 'an expiry in the past', claims: { exp: NOW - 301 }, code: 700024 },
  { name: 'no expiry', claims: { exp: undefined }, code: 700024 },
]

for (const { name, claims = {}, header = FEDERATED, key = rsa.privateKey, code } of unfederated) {
  test(`a federated token with ${name} is refused with AADSTS${code}`, async () => {
    const { app, context, tenant } = await federated()
    const assertion = await sign({ ...federatedClaims, ...claims }, header, key)
    const reply = await postToken(context(), tenant.tenantId, assertionForm(app, assertion))
    assert.deepEqual([reply.status, reply.body.error_codes], [401, [code]])
  })
}

test('an issuer that cannot be reached is a passing error', async () => {
  const { app, context, tenant, issuerKeys: known } = await federated()
  known.delete(ISSUER)
  const assertion = await sign(federatedClaims, FEDERATED, rsa.privateKey)
  const reply = await postToken(context(), tenant.tenantId, assertionForm(app, assertion))
  assert.deepEqual([reply.status, reply.body.error], [503, 'temporarily_unavailable'])
})

test('a managed identity of this installation can be federated without asking ourselves over the network', async () => {
  const { context, tenant, parts, createApp } = await openInstallation()
  const { identity, endpointHeader = '' } = await createManagedIdentity(parts, {
    displayName: 'worker',
    tenantId: tenant.tenantId,
  })
  const app = await createApp({ secretDays: 0 })
  await addFederatedCredential(parts, app.clientId, {
    displayName: 'worker',
    issuer: `${AUTHORITY_URL}/${tenant.tenantId}/`,
    subject: identity.objectId,
  })
  const managed = await getManagedToken('appService', context({ 'x-identity-header': endpointHeader }), {
    resource: 'api://AzureADTokenExchange',
  })
  const reply = await postToken(context(), tenant.tenantId, assertionForm(app, String(managed.body.access_token)))
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
})
