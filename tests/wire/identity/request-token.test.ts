/** Client credentials with a secret: what a token says, and how each refusal looks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_FAILURES_PER_ADDRESS } from '../../../src/domain/identity/limits.ts'
import { addGroupMember, createGroup, createTenant } from '../../../src/flows/identity-administration.ts'
import {
  addChosenSecret,
  addGeneratedSecret,
  deleteApplication,
  removeSecret,
} from '../../../src/flows/identity-applications.ts'
import {
  AUTHORITY_URL,
  DAY_MS,
  openInstallation,
  partsOf,
  postToken,
  START_MS,
  secretForm,
  VAULT_RESOURCE,
} from './identity-fixture.ts'

const NOW = START_MS / 1000

test('a secret gives a token with the claims of the v1 form', async () => {
  const { context, createApp, tenant } = await openInstallation()
  const app = await createApp()
  const reply = await postToken(context(), tenant.tenantId, secretForm(app))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['cache-control'], 'no-store')
  const { access_token: token, ...rest } = reply.body
  assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599 })
  const { header, claims } = partsOf(token)
  assert.deepEqual(Object.keys(header).sort(), ['alg', 'kid', 'typ', 'x5t'])
  assert.deepEqual([header.alg, header.typ, header.x5t], ['RS256', 'JWT', header.kid])
  const { uti, ...stable } = claims
  assert.match(String(uti), /^[\w-]{22}$/)
  assert.deepEqual(stable, {
    aud: VAULT_RESOURCE,
    iss: `${AUTHORITY_URL}/${tenant.tenantId}/`,
    iat: NOW,
    nbf: NOW,
    exp: NOW + 3599,
    appid: app.clientId,
    appidacr: '1',
    idp: `${AUTHORITY_URL}/${tenant.tenantId}/`,
    idtyp: 'app',
    oid: app.objectId,
    sub: app.objectId,
    tid: tenant.tenantId,
    ver: '1.0',
  })
})

for (const tenantName of ['adfs', 'common', 'organizations']) {
  test(`the tenant name ${tenantName} stands for the application's own tenant`, async () => {
    const { context, createApp, tenant } = await openInstallation()
    const reply = await postToken(context(), tenantName, secretForm(await createApp()))
    assert.equal(reply.status, 200)
    assert.equal(partsOf(reply.body.access_token).claims.tid, tenant.tenantId)
  })
}

test('a scope with a double slash and a resource with a trailing slash give the same audience', async () => {
  const { context, createApp, tenant } = await openInstallation()
  const app = await createApp()
  const scoped = await postToken(
    context(),
    tenant.tenantId,
    secretForm(app, { scope: 'https://management.test//.default' }),
  )
  assert.equal(partsOf(scoped.body.access_token).claims.aud, 'https://management.test')
  const { scope: _, ...older } = secretForm(app, { resource: 'https://management.test/' })
  const reply = await postToken(context(), tenant.tenantId, older, 'v1')
  assert.equal(partsOf(reply.body.access_token).claims.aud, 'https://management.test')
  assert.deepEqual(
    { ...reply.body, access_token: '' },
    {
      token_type: 'Bearer',
      expires_in: '3599',
      ext_expires_in: '3599',
      expires_on: String(NOW + 3599),
      not_before: String(NOW),
      resource: 'https://management.test/',
      access_token: '',
    },
  )
})

test('the adfs endpoint without v2.0 answers a scope with numbers, as MSAL expects', async () => {
  const { context, createApp } = await openInstallation()
  const reply = await postToken(context(), 'adfs', secretForm(await createApp()), 'v1')
  assert.equal(reply.body.expires_in, 3599)
  assert.equal(reply.body.resource, undefined)
})

test('fields that libraries add are ignored', async () => {
  const { context, createApp, tenant } = await openInstallation()
  const noise = { claims: '{"access_token":{"xms_cc":{"values":["cp1"]}}}', client_info: '1', 'x-client-SKU': 'msal' }
  const reply = await postToken(context(), tenant.tenantId, secretForm(await createApp(), noise))
  assert.equal(reply.status, 200)
})

test('a secret may come in a Basic header, form-encoded', async () => {
  const { context, createApp, tenant, parts } = await openInstallation()
  const app = await createApp()
  await addChosenSecret(parts, app.clientId, { displayName: 'own', secret: 'p:ss w+rd/with % signs' })
  const basic = `Basic ${Buffer.from(`${app.clientId}:p%3Ass+w%2Brd%2Fwith+%25+signs`).toString('base64')}`
  const form = { grant_type: 'client_credentials', scope: `${VAULT_RESOURCE}/.default` }
  const reply = await postToken(context({ authorization: basic }), tenant.tenantId, form)
  assert.equal(reply.status, 200)
})

test('a wrong secret is refused in the shape MSAL reads', async () => {
  const { context, createApp, tenant } = await openInstallation()
  const correlation = '11111111-2222-4333-8444-555555555555'
  const reply = await postToken(
    context({ 'client-request-id': correlation }),
    tenant.tenantId,
    secretForm(await createApp(), { client_secret: 'not-the-secret' }),
  )
  assert.equal(reply.status, 401)
  assert.equal(reply.headers['cache-control'], 'no-store')
  assert.equal(reply.body.error, 'invalid_client')
  assert.deepEqual(reply.body.error_codes, [7000215])
  assert.equal(reply.body.timestamp, '2027-01-15 12:00:00Z')
  assert.equal(reply.body.correlation_id, correlation)
  assert.match(String(reply.body.trace_id), /^[0-9a-f-]{36}$/)
  assert.match(String(reply.body.error_description), /^AADSTS7000215: .*Trace ID: .*Timestamp: 2027-01-15 12:00:00Z$/)
  assert.doesNotMatch(JSON.stringify(reply.body), /not-the-secret/)
})

const refusals: readonly {
  name: string
  change: Record<string, string | undefined>
  tenant?: string
  version?: 'v1'
  expected: readonly [status: number, error: string, code: number]
}[] = [
  { name: 'a missing grant type', change: { grant_type: undefined }, expected: [400, 'invalid_request', 900144] },
  { name: 'a missing client id', change: { client_id: undefined }, expected: [400, 'invalid_request', 900144] },
  { name: 'a missing scope', change: { scope: undefined }, expected: [400, 'invalid_request', 900144] },
  {
    name: 'a missing resource',
    change: { scope: undefined },
    version: 'v1',
    expected: [400, 'invalid_request', 900144],
  },
  { name: 'a missing secret', change: { client_secret: undefined }, expected: [401, 'invalid_client', 7000218] },
  { name: 'an empty secret', change: { client_secret: '' }, expected: [401, 'invalid_client', 7000218] },
  {
    name: 'two credentials at once',
    change: { client_assertion: 'x.y.z' },
    expected: [400, 'invalid_request', 9002313],
  },
  {
    name: 'an unsupported grant',
    change: { grant_type: 'authorization_code' },
    expected: [400, 'unsupported_grant_type', 70003],
  },
  {
    name: 'an unknown application',
    change: { client_id: '00000000-0000-4000-8000-000000000001' },
    expected: [400, 'unauthorized_client', 700016],
  },
  { name: 'a client id that is none', change: { client_id: 'x' }, expected: [400, 'unauthorized_client', 700016] },
  {
    name: 'an unknown tenant',
    change: {},
    tenant: '00000000-0000-4000-8000-000000000001',
    expected: [400, 'invalid_request', 90002],
  },
  { name: 'a tenant name that is none', change: {}, tenant: 'contoso.com', expected: [400, 'invalid_request', 90002] },
  {
    name: 'two scopes',
    change: { scope: 'https://a.test/.default https://b.test/.default' },
    expected: [400, 'invalid_scope', 70011],
  },
  { name: 'a scope without address', change: { scope: 'vault/.default' }, expected: [400, 'invalid_scope', 70011] },
  {
    name: 'a permission as scope',
    change: { scope: 'https://a.test/read' },
    expected: [400, 'invalid_scope', 1002012],
  },
  { name: 'a resource that is none', change: { resource: 'vault' }, expected: [400, 'invalid_resource', 500011] },
]

for (const { name, change, tenant: tenantName, version, expected } of refusals) {
  test(`${name} is refused with AADSTS${expected[2]}`, async () => {
    const { context, createApp, tenant } = await openInstallation()
    const form: Record<string, string> = {}
    for (const [field, value] of Object.entries({ ...secretForm(await createApp()), ...change })) {
      if (value !== undefined) form[field] = value
    }
    const reply = await postToken(context(), tenantName ?? tenant.tenantId, form, version ?? 'v2')
    assert.deepEqual(
      [reply.status, reply.body.error, reply.body.error_codes],
      [expected[0], expected[1], [expected[2]]],
    )
  })
}

test('an application of another tenant does not exist here', async () => {
  const { context, createApp, parts } = await openInstallation()
  const other = await createTenant(parts, { displayName: 'Other' })
  const reply = await postToken(context(), other.tenantId, secretForm(await createApp()))
  assert.deepEqual(reply.body.error_codes, [700016])
})

test('a secret counts until it expires and says so afterwards', async () => {
  const { context, createApp, tenant, clock } = await openInstallation()
  const app = await createApp({ secretDays: 30 })
  clock.move(30 * DAY_MS - 1)
  assert.equal((await postToken(context(), tenant.tenantId, secretForm(app))).status, 200)
  clock.move(1)
  const reply = await postToken(context(), tenant.tenantId, secretForm(app))
  assert.deepEqual([reply.status, reply.body.error_codes], [401, [7000222]])
})

test('old and new secret count side by side until the old one is removed', async () => {
  const { context, createApp, tenant, parts } = await openInstallation()
  const app = await createApp()
  const [first] = app.application.secrets
  const added = await addGeneratedSecret(parts, app.clientId, { displayName: 'second' })
  assert.equal((await postToken(context(), tenant.tenantId, secretForm(app))).status, 200)
  await removeSecret(parts, app.clientId, first?.keyId ?? '')
  assert.equal((await postToken(context(), tenant.tenantId, secretForm(app))).status, 401)
  const renewed = await postToken(context(), tenant.tenantId, secretForm(app, { client_secret: added.secret }))
  assert.equal(renewed.status, 200)
})

test('a deleted application gets no token any more', async () => {
  const { context, createApp, tenant, parts } = await openInstallation()
  const app = await createApp()
  await deleteApplication(parts, app.clientId)
  const reply = await postToken(context(), tenant.tenantId, secretForm(app))
  assert.deepEqual(reply.body.error_codes, [700016])
})

test('wrong secrets are slowed down, while the right one is never blocked', async () => {
  const { context, createApp, tenant, clock } = await openInstallation()
  const app = await createApp()
  const wrong = secretForm(app, { client_secret: 'guess' })
  for (let attempt = 0; attempt < MAX_FAILURES_PER_ADDRESS; attempt += 1) {
    assert.equal((await postToken(context(), tenant.tenantId, wrong)).status, 401)
  }
  const blocked = await postToken(context(), tenant.tenantId, wrong)
  assert.deepEqual(
    [blocked.status, blocked.body.error, blocked.headers['retry-after']],
    [429, 'temporarily_unavailable', '60'],
  )
  assert.equal((await postToken(context(), tenant.tenantId, secretForm(app))).status, 200)
  assert.equal((await postToken(context({}, { clientAddress: '192.0.2.2' }), tenant.tenantId, wrong)).status, 401)
  clock.move(60_000)
  assert.equal((await postToken(context(), tenant.tenantId, wrong)).status, 401)
})

test('guesses at a chosen secret are blocked before they are hashed, even the right one', async () => {
  const { context, createApp, tenant, parts } = await openInstallation()
  const app = await createApp({ secretDays: 0 })
  await addChosenSecret(parts, app.clientId, { displayName: 'own', secret: 'correct horse battery' })
  const right = secretForm(app, { client_secret: 'correct horse battery' })
  for (let attempt = 0; attempt < MAX_FAILURES_PER_ADDRESS; attempt += 1) {
    // Longer than any secret, which is counted as wrong without being hashed.
    await postToken(context(), tenant.tenantId, secretForm(app, { client_secret: 'x'.repeat(600) }))
  }
  assert.equal((await postToken(context(), tenant.tenantId, right)).status, 429)
  assert.equal((await postToken(context({}, { clientAddress: '192.0.2.2' }), tenant.tenantId, right)).status, 200)
})

test('groups are in the token, those of groups too', async () => {
  const { context, createApp, tenant, parts } = await openInstallation()
  const app = await createApp()
  const inner = await createGroup(parts, { displayName: 'inner', tenantId: tenant.tenantId })
  const outer = await createGroup(parts, { displayName: 'outer', tenantId: tenant.tenantId })
  await createGroup(parts, { displayName: 'other', tenantId: tenant.tenantId })
  await addGroupMember(parts, inner.objectId, app.objectId)
  await addGroupMember(parts, outer.objectId, inner.objectId)
  await addGroupMember(parts, inner.objectId, outer.objectId)
  const reply = await postToken(context(), tenant.tenantId, secretForm(app))
  assert.deepEqual(partsOf(reply.body.access_token).claims.groups, [inner.objectId, outer.objectId].sort())
})

test('no secret and no hash is readable in what the store keeps', async () => {
  const { createApp, store } = await openInstallation()
  const app = await createApp()
  const record = await store.read('applications', app.clientId)
  const text = Buffer.from(record?.body ?? []).toString('latin1')
  assert.ok(text.length > 0)
  for (const word of [app.clientSecret ?? '?', 'hmac-sha256', app.objectId]) assert.ok(!text.includes(word))
})
