/** How far a role assignment reaches: by whole segments of its scope, downwards only, and only while it exists. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Vault, vaultScope } from '../../../src/domain/vaults/vault.ts'
import { addGroupMember, createGroup, removeGroupMember } from '../../../src/flows/identity-administration.ts'
import { assignRole, removeRoleAssignment } from '../../../src/flows/manage-role-assignments.ts'
import type { NewVault } from '../../../src/flows/manage-vaults.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { startTestServer, type TestAnswer, type TestApp, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders } from '../../support/vault-answers.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const OFFICER = 'Key Vault Secrets Officer'
const SUBSCRIPTION = '11111111-1111-4111-8111-111111111111'
const OTHER_SUBSCRIPTION = '11111111-1111-4111-8111-111111111112'

/** Vaults in groups and subscriptions of their own, where the development set-up gives nobody anything. */
const newVault = (wanted: Partial<NewVault> = {}) =>
  server.newVault({ subscriptionId: SUBSCRIPTION, resourceGroup: 'group', ...wanted })

const assignAt = (scope: string, principalId: string, role = OFFICER) =>
  assignRole({ installation: server.data.installation, random: systemRandom }, { scope, principalId, role })

const set = (vault: Vault, { token }: TestApp, name = 's') =>
  server.vault(vault.name)('PUT', `/secrets/${name}`, { value: 'v' }, { token })

const statuses = async (answers: readonly Promise<TestAnswer>[]) =>
  (await Promise.all(answers)).map(({ status }) => status)

test('a role at everything reaches every vault', async () => {
  const app = await server.newApp()
  const vaults = [await newVault(), await newVault({ subscriptionId: OTHER_SUBSCRIPTION })]
  assert.deepEqual(await statuses(vaults.map((vault) => set(vault, app))), [403, 403])
  await assignAt('/', app.objectId)
  assert.deepEqual(await statuses(vaults.map((vault) => set(vault, app))), [200, 200])
})

test('a role at a subscription reaches its vaults and no others', async () => {
  const app = await server.newApp()
  const inside = [await newVault(), await newVault({ resourceGroup: 'other' })]
  const outside = await newVault({ subscriptionId: OTHER_SUBSCRIPTION })
  await assignAt(`/subscriptions/${SUBSCRIPTION}`, app.objectId)
  assert.deepEqual(await statuses([...inside, outside].map((vault) => set(vault, app))), [200, 200, 403])
})

test('a role at a resource group reaches its vaults, and none of a group whose name begins alike', async () => {
  const app = await server.newApp()
  const vaults = [
    await newVault({ resourceGroup: 'rg' }),
    await newVault({ resourceGroup: 'rg2' }),
    await newVault({ resourceGroup: 'r' }),
    await newVault({ resourceGroup: 'rg', subscriptionId: OTHER_SUBSCRIPTION }),
  ]
  await assignAt(`/subscriptions/${SUBSCRIPTION}/resourceGroups/RG`, app.objectId)
  assert.deepEqual(await statuses(vaults.map((vault) => set(vault, app))), [200, 403, 403, 403])
})

test('a role at a vault reaches that vault, and none whose name begins alike', async () => {
  const app = await server.newApp()
  const [vault, longer, shorter] = [
    await newVault({ name: 'scoped-ab' }),
    await newVault({ name: 'scoped-abc' }),
    await newVault({ name: 'scoped-a' }),
  ]
  await assignAt(vaultScope(vault), app.objectId)
  assert.deepEqual(await statuses([vault, longer, shorter].map((one) => set(one, app))), [200, 403, 403])
})

test('a role at one secret reaches that secret, in any letter case, and none whose name begins alike', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  await server.assign(vault, app.objectId, OFFICER, '/Secrets/A')
  const found = await statuses(['a', 'A', 'ab', 'a-', 'b', '-a'].map((name) => set(vault, app, name)))
  assert.deepEqual(found, [200, 200, 403, 403, 403, 403])
})

test('a role at one secret lets do everything with it but what concerns the whole vault', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  await server.assign(vault, app.objectId, OFFICER, '/secrets/a')
  const call = (method: string, path: string, body?: unknown) =>
    server.vault(vault.name)(method, path, body, { token: app.token })
  for (const [method, path, body, status] of [
    ['PUT', '/secrets/a', { value: 'v' }, 200],
    ['GET', '/secrets/a', undefined, 200],
    ['PATCH', '/secrets/a', {}, 200],
    ['GET', '/secrets/a/versions', undefined, 200],
    ['POST', '/secrets/a/backup', undefined, 200],
    ['GET', '/secrets', undefined, 403],
    ['DELETE', '/secrets/a', undefined, 200],
    ['GET', '/deletedsecrets/a', undefined, 200],
    ['GET', '/deletedsecrets', undefined, 403],
    ['POST', '/deletedsecrets/a/recover', undefined, 200],
    ['DELETE', '/secrets/a', undefined, 200],
    ['DELETE', '/deletedsecrets/a', undefined, 204],
    ['POST', '/secrets/restore', { value: 'x' }, 403],
  ] as const) {
    assert.equal((await call(method, path, body)).status, status, `${method} ${path}`)
  }
})

test('a name that breaks the rules is no object, so a role at an object below does not reach it', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  for (const below of ['/secrets/a', '/secrets/a%2fb', '/secrets/a/b', '/secrets']) {
    await server.assign(vault, app.objectId, OFFICER, below)
  }
  // Everything under /secrets, but the vault itself is not.
  assert.equal((await set(vault, app, 'a%2Fb')).status, 403)
  assert.equal((await set(vault, app, 'a_b')).status, 403)
})

test('a role at a key or at another kind of resource reaches no secret', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  for (const below of ['/keys/a', '/certificates/a', '/secret/a', '/secrets/a/b']) {
    await server.assign(vault, app.objectId, OFFICER, below)
  }
  assert.equal((await set(vault, app, 'a')).status, 403)
})

test('a role of another principal gives nothing', async () => {
  const [app, other] = [await server.newApp(), await server.newApp()]
  const vault = await newVault()
  await assignAt(vaultScope(vault), other.objectId)
  // The client id is no principal either.
  await assignAt(vaultScope(vault), app.clientId)
  assert.deepEqual(await statuses([set(vault, app), set(vault, other)]), [403, 200])
})

test('a grant counts at the next request, and so does its removal', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  for (let round = 0; round < 3; round++) {
    assert.equal((await set(vault, app)).status, 403)
    const { id } = await assignAt(vaultScope(vault), app.objectId)
    const answer = await set(vault, app)
    assert.deepEqual([answer.status, answer.headers['x-ms-keyvault-rbac-assignment-id']], [200, id])
    assert.equal(await removeRoleAssignment(server.data.installation, id), true)
  }
  assert.equal((await set(vault, app)).status, 403)
})

test('several roles add up', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  await server.assign(vault, app.objectId, 'Key Vault Reader')
  await server.assign(vault, app.objectId, 'Key Vault Secrets User', '/secrets/a')
  const call = (path: string) => server.vault(vault.name)('GET', path, undefined, { token: app.token })
  assert.deepEqual(await statuses([call('/secrets'), call('/secrets/a'), call('/secrets/b')]), [200, 404, 403])
})

test('an assignment with a condition grants nothing', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  const assignment = await assignAt(vaultScope(vault), app.objectId)
  await server.data.installation.commit([
    {
      collection: 'roleAssignments',
      key: `${assignment.scope}\n${assignment.id}`,
      expect: 'any',
      meta: { ...assignment, condition: "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 's'" },
    },
  ])
  assert.equal((await set(vault, app)).status, 403)
})

test('a role of a group counts for its members, from the groups of their token', async () => {
  const identity = { records: server.data.installation, clock: server.clock, random: systemRandom }
  const app = await server.newApp()
  const vault = await newVault()
  const group = await createGroup(identity, { displayName: 'Readers', tenantId: server.tenantId })
  await assignAt(vaultScope(vault), group.objectId)
  assert.equal((await set(vault, app)).status, 403)

  await addGroupMember(identity, group.objectId, app.objectId)
  const token = await server.tokenFor(app.clientId, app.clientSecret)
  assert.equal((await set(vault, { ...app, token })).status, 200)
  assert.equal((await set(vault, app)).status, 403, 'an older token does not name the group')

  await removeGroupMember(identity, group.objectId, app.objectId)
  assert.equal((await set(vault, { ...app, token: await server.tokenFor(app.clientId, app.clientSecret) })).status, 403)
})

test('a refusal counts the groups of the caller and does not name them', async () => {
  const identity = { records: server.data.installation, clock: server.clock, random: systemRandom }
  const app = await server.newApp()
  const vault = await newVault()
  const groups = [await createGroup(identity, { displayName: 'A', tenantId: server.tenantId })]
  groups.push(await createGroup(identity, { displayName: 'B', tenantId: server.tenantId }))
  for (const { objectId } of groups) await addGroupMember(identity, objectId, app.objectId)
  const token = await server.tokenFor(app.clientId, app.clientSecret)
  const answer = await server.vault(vault.name)('GET', '/secrets/Name/', undefined, { token })
  const iss = `https://login.localhost:${server.port}/${server.tenantId}/`
  assertRefused(answer, 403, {
    code: 'Forbidden',
    inner: 'ForbiddenByRbac',
    message: [
      'Caller is not authorized to perform action on resource.',
      'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      `Caller: appid=${app.clientId};oid=${app.objectId};numgroups=2;iss=${iss}`,
      "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
      `Resource: '/subscriptions/${SUBSCRIPTION}/resourcegroups/group/providers/microsoft.keyvault/vaults/${vault.name}/secrets/name'`,
      'Assignment: (not found)',
      'DenyAssignmentId: null',
      'DecisionReason: null ',
      `Vault: ${vault.name};location=local`,
      '',
    ].join('\r\n'),
  })
  assertVaultHeaders(answer, { byRole: false })
})

test('the audit record tells which assignment allowed it, or that none did', async () => {
  const app = await server.newApp()
  const vault = await newVault()
  const headers = { 'x-ms-client-request-id': crypto.randomUUID() }
  const call = () => server.vault(vault.name)('GET', '/secrets', undefined, { token: app.token, headers })
  await call()
  const { id } = await assignAt(vaultScope(vault), app.objectId)
  await call()
  const records = server.auditLines().filter(({ correlationId }) => correlationId === headers['x-ms-client-request-id'])
  assert.deepEqual(
    records.map(({ properties, identity }) => [
      properties.httpStatusCode,
      properties.isRbacAuthorized,
      properties.appliedAssignmentId,
      properties.isAccessPolicyMatch,
      identity.claim.oid,
    ]),
    [
      [403, false, undefined, undefined, app.objectId],
      [200, true, id, undefined, app.objectId],
    ],
  )
})
