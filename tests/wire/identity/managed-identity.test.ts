/** Tokens for managed identities, in the App Service and IMDS forms. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManagedIdentity } from '../../../src/flows/identity-administration.ts'
import {
  getManagedToken,
  type Installation,
  openInstallation,
  partsOf,
  START_MS,
  VAULT_RESOURCE,
} from './identity-fixture.ts'

const NOW = START_MS / 1000
const QUERY = { 'api-version': '2019-08-01', resource: VAULT_RESOURCE }

const create = ({ parts, tenant }: Installation, more: Partial<Parameters<typeof createManagedIdentity>[1]> = {}) =>
  createManagedIdentity(parts, { displayName: 'worker', tenantId: tenant.tenantId, ...more })

test('the header value gives a token of a day, with every number as a string', async () => {
  const installation = await openInstallation()
  const { identity, endpointHeader = '' } = await create(installation)
  const reply = await getManagedToken(
    'appService',
    installation.context({ 'x-identity-header': endpointHeader }),
    QUERY,
  )
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['cache-control'], 'no-store')
  const { access_token: token, ...rest } = reply.body
  assert.deepEqual(rest, {
    client_id: identity.clientId,
    expires_in: '86399',
    expires_on: String(NOW + 86_399),
    ext_expires_in: '86399',
    not_before: String(NOW),
    resource: VAULT_RESOURCE,
    token_type: 'Bearer',
  })
  const { claims } = partsOf(token)
  assert.deepEqual(
    [claims.aud, claims.oid, claims.appid, claims.appidacr, claims.idtyp, claims.xms_mirid],
    [VAULT_RESOURCE, identity.objectId, identity.clientId, '2', 'app', identity.resourceId],
  )
})

for (const [name, headers] of [
  ['no header value', {}],
  ['an empty header value', { 'x-identity-header': '' }],
  ['another header value', { 'x-identity-header': 'guess' }],
] as const) {
  test(`${name} gives nothing in the App Service form`, async () => {
    const installation = await openInstallation()
    await create(installation, { isAvailableToImds: true })
    const reply = await getManagedToken('appService', installation.context(headers), QUERY)
    assert.equal(reply.status, 401)
    assert.deepEqual(Object.keys(reply.body), ['statusCode', 'message'])
  })
}

test("a header value does not open another process's identity", async () => {
  const installation = await openInstallation()
  const { endpointHeader = '' } = await create(installation)
  const other = await create(installation, { displayName: 'other' })
  const context = installation.context({ 'x-identity-header': endpointHeader })
  const reply = await getManagedToken('appService', context, { ...QUERY, client_id: other.identity.clientId })
  assert.deepEqual([reply.status, reply.body.message], [400, 'Identity not found'])
})

test('several identities of one process are told apart by any of their ids', async () => {
  const installation = await openInstallation()
  const first = await create(installation)
  const second = await create(installation, { displayName: 'second', headerSharedWith: first.identity.clientId })
  assert.equal(second.endpointHeader, undefined)
  const context = installation.context({ 'x-identity-header': first.endpointHeader ?? '' })
  const { clientId, objectId, resourceId } = second.identity
  const selections: readonly Record<string, string>[] = [
    { client_id: clientId.toUpperCase() },
    { object_id: objectId },
    { principal_id: objectId },
    { mi_res_id: resourceId.toUpperCase() },
    { msi_res_id: resourceId },
  ]
  for (const selection of selections) {
    const reply = await getManagedToken('appService', context, { ...QUERY, ...selection })
    assert.equal(reply.body.client_id, clientId, JSON.stringify(selection))
  }
  assert.equal((await getManagedToken('appService', context, QUERY)).status, 400)
  const system = await create(installation, { kind: 'SystemAssigned', headerSharedWith: first.identity.clientId })
  assert.equal((await getManagedToken('appService', context, QUERY)).body.client_id, system.identity.clientId)
})

test('IMDS gives tokens only of identities that were opened to it', async () => {
  const installation = await openInstallation()
  const closed = await create(installation)
  const context = installation.context({ metadata: 'true' })
  assert.equal((await getManagedToken('imds', context, QUERY)).status, 400)
  const open = await create(installation, { displayName: 'open', isAvailableToImds: true })
  const reply = await getManagedToken('imds', context, QUERY)
  assert.deepEqual([reply.status, reply.body.client_id], [200, open.identity.clientId])
  const other = await getManagedToken('imds', context, { ...QUERY, client_id: closed.identity.clientId })
  assert.deepEqual([other.status, other.body.error], [400, 'invalid_request'])
})

for (const [name, headers] of [
  ['a probe without the Metadata header', {}],
  ['another value of the Metadata header', { metadata: 'false' }],
  ['a forwarded request', { metadata: 'true', 'x-forwarded-for': '192.0.2.1' }],
] as const) {
  test(`${name} gets 400 from IMDS at once`, async () => {
    const installation = await openInstallation()
    await create(installation, { isAvailableToImds: true })
    const reply = await getManagedToken('imds', installation.context(headers), QUERY)
    assert.deepEqual([reply.status, reply.body.error], [400, 'invalid_request'])
  })
}

test('a request without resource is refused in the shape of its endpoint', async () => {
  const installation = await openInstallation()
  const { endpointHeader = '' } = await create(installation, { isAvailableToImds: true })
  const imds = await getManagedToken('imds', installation.context({ metadata: 'true' }), {})
  assert.deepEqual([imds.status, imds.body.error], [400, 'invalid_resource'])
  const app = await getManagedToken('appService', installation.context({ 'x-identity-header': endpointHeader }), {})
  assert.deepEqual([app.status, app.body.statusCode], [400, 400])
})
