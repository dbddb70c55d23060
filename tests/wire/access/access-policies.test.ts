/** The older model: entries in the vault itself, for the whole vault, and the switch between both models. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { AccessPolicyEntry, Vault } from '../../../src/domain/vaults/vault.ts'
import { addGroupMember, createGroup, createUser } from '../../../src/flows/identity-administration.ts'
import { changeVault } from '../../../src/flows/manage-vaults.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders } from '../../support/vault-answers.ts'

const AZURE_CLI = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'
const PASSWORD = 'correct horse battery'

interface User {
  readonly objectId: string
  readonly token: string
}

let server: TestServer
let user: User
before(async () => {
  server = await startTestServer()
  user = await newUser()
})
after(() => server.stop())

type Entry = Omit<AccessPolicyEntry, 'tenantId'> & { readonly tenantId?: string }

const entriesOf = (entries: readonly Entry[]): AccessPolicyEntry[] =>
  entries.map((entry) => ({ tenantId: server.tenantId, ...entry }))

const newVault = (entries: readonly Entry[]) =>
  server.newVault({ enableRbacAuthorization: false, accessPolicies: entriesOf(entries) })

const change = (vault: Vault, changed: Partial<Vault>) =>
  changeVault(server.data.installation, vault.name, (now) => ({ ...now, ...changed }))

const get = (vault: Vault, token: string, name = 's') =>
  server.vault(vault.name)('GET', `/secrets/${name}`, undefined, { token })

const iss = () => `https://login.localhost:${server.port}/${server.tenantId}/`

/** A user of the tenant, and what a token got through the Azure CLI is. */
async function newUser(): Promise<User> {
  const identity = { records: server.data.installation, clock: server.clock, random: systemRandom }
  const userPrincipalName = `${crypto.randomUUID()}@example.org`
  const wanted = { userPrincipalName, displayName: 'User', tenantId: server.tenantId, password: PASSWORD }
  const { objectId } = await createUser(identity, wanted)
  const answer = await server.send({
    method: 'POST',
    host: 'login.localhost',
    path: '/organizations/oauth2/v2.0/token',
    token: null,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'password',
      client_id: AZURE_CLI,
      username: userPrincipalName,
      password: PASSWORD,
      scope: 'https://vault.azure.net/.default',
    }).toString(),
  })
  assert.equal(answer.status, 200, answer.text)
  return { objectId, token: answer.json.access_token }
}

test('a caller without an entry is refused and told the permission', async () => {
  const app = await server.newApp()
  const vault = await newVault([])
  const call = server.vault(vault.name)
  for (const [method, path, body, permission] of [
    ['GET', '/secrets/s', undefined, 'get'],
    ['PUT', '/secrets/s', { value: 'v' }, 'set'],
    ['PATCH', '/secrets/s', {}, 'set'],
    ['GET', '/secrets', undefined, 'list'],
    ['GET', '/secrets/s/versions', undefined, 'list'],
    ['DELETE', '/secrets/s', undefined, 'delete'],
    ['GET', '/deletedsecrets', undefined, 'list'],
    ['GET', '/deletedsecrets/s', undefined, 'get'],
    ['POST', '/deletedsecrets/s/recover', undefined, 'recover'],
    ['DELETE', '/deletedsecrets/s', undefined, 'purge'],
    ['POST', '/secrets/s/backup', undefined, 'backup'],
    ['POST', '/secrets/restore', { value: 'x' }, 'restore'],
  ] as const) {
    const answer = await call(method, path, body, { token: app.token })
    assertRefused(answer, 403, {
      code: 'Forbidden',
      inner: 'ForbiddenByPolicy',
      message: `The user, group or application 'appid=${app.clientId};oid=${app.objectId};iss=${iss()}' does not have secrets ${permission} permission on key vault '${vault.name};location=local'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
    })
    assertVaultHeaders(answer, { byRole: false })
  }
})

test('an entry counts for the whole vault, without the headers of the other model', async () => {
  const app = await server.newApp()
  const vault = await newVault([{ objectId: app.objectId.toUpperCase(), permissions: { secrets: ['Get', 'set'] } }])
  const call = server.vault(vault.name)
  const set = await call('PUT', '/secrets/s', { value: 'v' }, { token: app.token })
  assert.equal(set.status, 200)
  assertVaultHeaders(set, { byRole: false })
  assert.equal((await get(vault, app.token)).json.value, 'v')
  assert.equal((await call('DELETE', '/secrets/s', undefined, { token: app.token })).status, 403)
})

test('several entries of a caller add up', async () => {
  const app = await server.newApp()
  const vault = await newVault([
    { objectId: app.objectId, permissions: { keys: ['all'] } },
    { objectId: app.objectId, permissions: { secrets: ['list'] } },
    { objectId: app.objectId, permissions: { secrets: ['get'] } },
  ])
  assert.equal((await get(vault, app.token)).status, 404)
  assert.equal((await server.vault(vault.name)('GET', '/secrets', undefined, { token: app.token })).status, 200)
})

test('an entry of another tenant or another principal gives nothing', async () => {
  const app = await server.newApp()
  const permissions = { secrets: ['all'] }
  const vault = await newVault([
    { objectId: app.objectId, tenantId: '22222222-2222-4222-8222-222222222222', permissions },
    { objectId: app.clientId, permissions },
    { objectId: '', permissions },
  ])
  assert.equal((await get(vault, app.token)).status, 403)
})

test('an entry of a group counts for its members, and a refusal counts their groups', async () => {
  const identity = { records: server.data.installation, clock: server.clock, random: systemRandom }
  const app = await server.newApp()
  const group = await createGroup(identity, { displayName: 'Group', tenantId: server.tenantId })
  await addGroupMember(identity, group.objectId, app.objectId)
  const token = await server.tokenFor(app.clientId, app.clientSecret)
  const vault = await newVault([{ objectId: group.objectId, permissions: { secrets: ['get'] } }])
  assert.equal((await get(vault, token)).status, 404)
  assert.equal((await get(vault, app.token)).status, 403, 'a token from before the membership')
  const refused = await server.vault(vault.name)('GET', '/secrets', undefined, { token })
  assert.ok(refused.json.error.message.includes(`oid=${app.objectId};numgroups=1;iss=`), refused.text)
})

test('an entry added, changed or removed counts at the next request', async () => {
  const app = await server.newApp()
  const vault = await newVault([])
  const status = async () => (await get(vault, app.token)).status
  assert.equal(await status(), 403)
  await change(vault, { accessPolicies: entriesOf([{ objectId: app.objectId, permissions: { secrets: ['get'] } }]) })
  assert.equal(await status(), 404)
  await change(vault, { accessPolicies: entriesOf([{ objectId: app.objectId, permissions: { secrets: ['list'] } }]) })
  assert.equal(await status(), 403)
  await change(vault, { accessPolicies: [] })
  assert.equal(await status(), 403)
})

test('the switch between the models counts at the next request, in both directions', async () => {
  const [byEntry, byAssignment] = [await server.newApp(), await server.newApp()]
  const vault = await newVault([{ objectId: byEntry.objectId, permissions: { secrets: ['all'] } }])
  await server.assign(vault, byAssignment.objectId, 'Key Vault Secrets Officer')
  const found = async () => [(await get(vault, byEntry.token)).status, (await get(vault, byAssignment.token)).status]
  assert.deepEqual(await found(), [404, 403])
  await change(vault, { enableRbacAuthorization: true })
  assert.deepEqual(await found(), [403, 404])
  assert.equal((await get(vault, byEntry.token)).json.error.innererror.code, 'ForbiddenByRbac')
  await change(vault, { enableRbacAuthorization: false })
  assert.deepEqual(await found(), [404, 403], 'the entries were kept')
  assert.equal((await get(vault, byAssignment.token)).json.error.innererror.code, 'ForbiddenByPolicy')
})

test('a compound entry counts for that user through that application only', async () => {
  const app = await server.newApp()
  const permissions = { secrets: ['get'] }
  const through = await newVault([{ objectId: user.objectId, applicationId: AZURE_CLI.toUpperCase(), permissions }])
  assert.equal((await get(through, user.token)).status, 404)

  const throughAnother = await newVault([{ objectId: user.objectId, applicationId: app.clientId, permissions }])
  const refused = await get(throughAnother, user.token)
  assertRefused(refused, 403, {
    code: 'Forbidden',
    inner: 'ForbiddenByPolicy',
    message: `The policy requires the caller 'appid=${AZURE_CLI};oid=${user.objectId};iss=${iss()}' to use on-behalf-of (OBO) flow. For more information on OBO, please see https://go.microsoft.com/fwlink/?linkid=2152310`,
  })
  assertVaultHeaders(refused, { byRole: false })
})

test('a compound entry never counts for an application by itself', async () => {
  const app = await server.newApp()
  const entry = { objectId: app.objectId, applicationId: app.clientId, permissions: { secrets: ['get'] } }
  const answer = await get(await newVault([entry]), app.token)
  assert.equal(answer.status, 403)
  assert.match(answer.json.error.message, /to use on-behalf-of \(OBO\) flow/)
})

test('a plain entry counts for a user through any application', async () => {
  const vault = await newVault([{ objectId: user.objectId, permissions: { secrets: ['get'] } }])
  assert.equal((await get(vault, user.token)).status, 404)
})

test('a compound entry without the permission asked for says so, not to use another flow', async () => {
  const vault = await newVault([{ objectId: user.objectId, applicationId: 'x', permissions: { secrets: ['list'] } }])
  assert.match((await get(vault, user.token)).json.error.message, / does not have secrets get permission on key vault /)
})

test('a plain entry next to a compound one counts', async () => {
  const app = await server.newApp()
  const permissions = { secrets: ['get'] }
  const vault = await newVault([
    { objectId: app.objectId, applicationId: 'x', permissions },
    { objectId: app.objectId, permissions },
  ])
  assert.equal((await get(vault, app.token)).status, 404)
})

test('the audit record tells whether an entry matched, and nothing of assignments', async () => {
  const app = await server.newApp()
  const vault = await newVault([{ objectId: app.objectId, permissions: { secrets: ['list'] } }])
  const headers = { 'x-ms-client-request-id': crypto.randomUUID() }
  const call = server.vault(vault.name)
  await call('GET', '/secrets/s', undefined, { token: app.token, headers })
  await call('GET', '/secrets', undefined, { token: app.token, headers })
  const records = server.auditLines().filter(({ correlationId }) => correlationId === headers['x-ms-client-request-id'])
  assert.deepEqual(
    records.map(({ properties }) => [
      properties.httpStatusCode,
      properties.isAccessPolicyMatch,
      properties.isRbacAuthorized,
      properties.appliedAssignmentId,
    ]),
    [
      [403, false, undefined, undefined],
      [200, true, undefined, undefined],
    ],
  )
})

test('a vault that lets in nobody by its network refuses before it looks at entries', async () => {
  const app = await server.newApp()
  const vault = await newVault([{ objectId: app.objectId, permissions: { secrets: ['all'] } }])
  await change(vault, { publicNetworkAccess: 'Disabled' })
  const caller = `appid=${app.clientId};oid=${app.objectId};iss=${iss()}`
  assertRefused(await get(vault, app.token), 403, {
    code: 'Forbidden',
    inner: 'ForbiddenByConnection',
    message: `Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: ${caller}\r\nVault: ${vault.name};location=local`,
  })
  await change(vault, {
    publicNetworkAccess: 'Enabled',
    networkAcls: { bypass: 'None', defaultAction: 'Deny', ipRules: ['127.0.0.0/8'] },
  })
  assert.equal((await get(vault, app.token)).status, 404)
  await change(vault, { networkAcls: { bypass: 'None', defaultAction: 'Deny', ipRules: ['127.0.0.2', 'junk', '::1'] } })
  assert.equal((await get(vault, app.token)).json.error.innererror.code, 'ForbiddenByFirewall')
})
