/** What clients read before they have a token. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { createRouter } from '../../../src/http/router.ts'
import { getInstanceDiscovery } from '../../../src/operations/identity/get-instance-discovery.ts'
import { getOpenIdConfiguration } from '../../../src/operations/identity/get-open-id-configuration.ts'
import { getOpenIdConfigurationV2 } from '../../../src/operations/identity/get-open-id-configuration-v2.ts'
import { getSigningKeys } from '../../../src/operations/identity/get-signing-keys.ts'
import { getSigningKeysV2 } from '../../../src/operations/identity/get-signing-keys-v2.ts'
import { getUserRealm } from '../../../src/operations/identity/get-user-realm.ts'
import { identityOperations } from '../../../src/operations/identity/index.ts'
import { AUTHORITY_URL, openInstallation, postToken, replyOf, secretForm, VAULT_RESOURCE } from './identity-fixture.ts'

const NO_BODY = { query: {}, body: undefined }

test('the discovery document is of the origin the client called', async () => {
  const { context, tenant } = await openInstallation()
  const baseUrl = 'https://login.microsoftonline.com'
  const input = { params: { tenant: tenant.tenantId.toUpperCase() }, ...NO_BODY }
  const reply = replyOf(await getOpenIdConfigurationV2.handle(context({}, { baseUrl }), input))
  assert.equal(reply.status, 200)
  const { issuer, authorization_endpoint, token_endpoint, jwks_uri } = reply.body
  assert.deepEqual(
    { issuer, authorization_endpoint, token_endpoint, jwks_uri },
    {
      issuer: `${baseUrl}/${tenant.tenantId}/v2.0`,
      authorization_endpoint: `${baseUrl}/${tenant.tenantId}/oauth2/v2.0/authorize`,
      token_endpoint: `${baseUrl}/${tenant.tenantId}/oauth2/v2.0/token`,
      jwks_uri: `${baseUrl}/${tenant.tenantId}/discovery/v2.0/keys`,
    },
  )
})

test('the older and the adfs documents name the endpoints without v2.0', async () => {
  const { context, tenant } = await openInstallation()
  const read = async (name: string) =>
    replyOf(await getOpenIdConfiguration.handle(context(), { params: { tenant: name }, ...NO_BODY })).body
  const older = await read(tenant.tenantId)
  assert.equal(older.issuer, `${AUTHORITY_URL}/${tenant.tenantId}/`)
  assert.equal(older.token_endpoint, `${AUTHORITY_URL}/${tenant.tenantId}/oauth2/token`)
  const adfs = await read('adfs')
  assert.equal(adfs.issuer, `${AUTHORITY_URL}/adfs`)
  assert.equal(adfs.token_endpoint, `${AUTHORITY_URL}/adfs/oauth2/token`)
  assert.equal(adfs.jwks_uri, `${AUTHORITY_URL}/adfs/discovery/keys`)
})

test('the common document keeps the place of the tenant open', async () => {
  const { context } = await openInstallation()
  const reply = replyOf(
    await getOpenIdConfigurationV2.handle(context(), { params: { tenant: 'organizations' }, ...NO_BODY }),
  )
  assert.equal(reply.body.issuer, `${AUTHORITY_URL}/{tenantid}/v2.0`)
  assert.equal(reply.body.token_endpoint, `${AUTHORITY_URL}/organizations/oauth2/v2.0/token`)
})

test('metadata of an unknown tenant is refused as invalid_tenant', async () => {
  const { context } = await openInstallation()
  const input = { params: { tenant: '00000000-0000-4000-8000-000000000001' }, ...NO_BODY }
  for (const operation of [getOpenIdConfiguration, getOpenIdConfigurationV2, getSigningKeys, getSigningKeysV2]) {
    const reply = replyOf(await operation.handle(context(), input))
    assert.deepEqual([reply.status, reply.body.error, reply.body.error_codes], [400, 'invalid_tenant', [90002]])
  }
})

test("any JOSE library checks our tokens with the key set, and the key's certificate and thumbprint fit", async () => {
  const { context, createApp, tenant, clock } = await openInstallation()
  const granted = await postToken(context(), tenant.tenantId, secretForm(await createApp()))
  const reply = replyOf(await getSigningKeysV2.handle(context(), { params: { tenant: tenant.tenantId }, ...NO_BODY }))
  assert.equal(reply.headers['cache-control'], 'public, max-age=3600')
  const [key] = reply.body.keys as [{ x5c: [string]; kid: string; x5t: string }]
  const der = Buffer.from(key.x5c[0], 'base64')
  assert.deepEqual([key.kid, key.x5t], Array(2).fill(createHash('sha1').update(der).digest('base64url')))
  assert.ok(new X509Certificate(der).verify(new X509Certificate(der).publicKey))
  assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use', 'x5c', 'x5t'])
  const keySet = createLocalJWKSet(reply.body as unknown as JSONWebKeySet)
  const { payload } = await jwtVerify(String(granted.body.access_token), keySet, {
    issuer: `${AUTHORITY_URL}/${tenant.tenantId}/`,
    audience: VAULT_RESOURCE,
    currentDate: new Date(clock.nowMs()),
  })
  assert.equal(payload.tid, tenant.tenantId)
})

test('instance discovery confirms this host, with and without port, by our own addresses', async () => {
  const { context, tenant } = await openInstallation()
  for (const host of ['login.test:8443', 'login.test']) {
    const asked = `https://${host}/${tenant.tenantId}/oauth2/v2.0/authorize`
    const reply = replyOf(
      await getInstanceDiscovery.handle(context({}, { baseUrl: 'https://login.microsoftonline.com' }), {
        params: { tenant: 'common' },
        query: { authorization_endpoint: asked },
        body: undefined,
      }),
    )
    assert.deepEqual(reply.body, {
      tenant_discovery_endpoint: `${AUTHORITY_URL}/${tenant.tenantId}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [
        {
          preferred_network: 'login.test:8443',
          preferred_cache: 'login.test:8443',
          aliases: ['login.test:8443', 'login.test'],
        },
      ],
    })
  }
})

test('instance discovery of the host that was called answers by that host', async () => {
  const { context, tenant } = await openInstallation()
  const baseUrl = 'https://login.microsoftonline.com'
  const query = { authorization_endpoint: `${baseUrl}/${tenant.tenantId}/oauth2/v2.0/authorize` }
  const reply = replyOf(
    await getInstanceDiscovery.handle(context({}, { baseUrl }), {
      params: { tenant: 'common' },
      query,
      body: undefined,
    }),
  )
  assert.equal(
    reply.body.tenant_discovery_endpoint,
    `${baseUrl}/${tenant.tenantId}/v2.0/.well-known/openid-configuration`,
  )
})

for (const asked of [
  undefined,
  'https://evil.test/common/oauth2',
  'http://login.test:8443/common',
  'x',
  'https://login.test:8443/',
]) {
  test(`instance discovery of ${asked} is refused as invalid_instance`, async () => {
    const { context } = await openInstallation()
    const query = asked === undefined ? {} : { authorization_endpoint: asked }
    const reply = replyOf(
      await getInstanceDiscovery.handle(context(), { params: { tenant: 'common' }, query, body: undefined }),
    )
    assert.deepEqual([reply.status, reply.body.error], [400, 'invalid_instance'])
    assert.doesNotMatch(JSON.stringify(reply.body), /evil/)
  })
}

test('the user realm is the same for every user', async () => {
  const { context } = await openInstallation()
  const reply = replyOf(await getUserRealm.handle(context(), { params: { upn: 'ada@example.org' }, ...NO_BODY }))
  assert.deepEqual(reply.body, {
    ver: '1.0',
    account_type: 'Managed',
    domain_name: 'example.org',
    cloud_instance_name: 'login.test:8443',
    cloud_audience_urn: 'urn:federation:MicrosoftOnline',
  })
})

const addresses: readonly [method: string, host: 'identity' | 'managedIdentity', path: string, id: string][] = [
  ['GET', 'identity', '/common/discovery/instance', 'GetInstanceDiscovery'],
  ['GET', 'identity', '/common/userrealm/ada@example.org', 'GetUserRealm'],
  ['GET', 'identity', '/common/v2.0/.well-known/openid-configuration', 'GetOpenIdConfigurationV2'],
  ['GET', 'identity', '/common/discovery/keys', 'GetSigningKeys'],
  ['GET', 'identity', '/common/discovery/v2.0/keys', 'GetSigningKeysV2'],
  ['GET', 'identity', '/adfs/.well-known/openid-configuration', 'GetOpenIdConfiguration'],
  ['POST', 'identity', '/adfs/oauth2/token', 'RequestToken'],
  ['POST', 'identity', '/adfs/oauth2/v2.0/token', 'RequestTokenV2'],
  ['POST', 'identity', '/Common/OAuth2/v2.0/Token', 'RequestTokenV2'],
  ['GET', 'managedIdentity', '/msi/token', 'GetAppServiceToken'],
  ['GET', 'managedIdentity', '/metadata/identity/oauth2/token', 'GetImdsToken'],
  ['GET', 'managedIdentity', '/metadata/identity/oauth2/token/', 'GetImdsToken'],
]

test('every address clients use leads to its operation', () => {
  const router = createRouter(identityOperations)
  for (const [method, host, path, id] of addresses) {
    const route = router.find(host, method, path)
    assert.equal(route.kind === 'found' ? route.operation.id : route.kind, id, path)
  }
})
