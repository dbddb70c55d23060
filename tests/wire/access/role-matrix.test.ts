/**
 * Which built-in role and which word of an access policy lets a caller do what, asked over HTTP. The whole picture is in
 * role-matrix.txt, so that a review sees every change of it. After a change that is meant, write it anew with
 * KEYHAVEN_WRITE_ROLE_MATRIX=1 and check the difference against the documentation of the roles.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { builtInRoles } from '../../../src/domain/access/built-in-roles.ts'
import type { Vault } from '../../../src/domain/vaults/vault.ts'
import { changeVault } from '../../../src/flows/manage-vaults.ts'
import { startTestServer, type TestAnswer, type TestApp, type TestServer } from '../../support/test-server.ts'

const FILE = new URL('role-matrix.txt', import.meta.url)

/** The vocabulary of access policies for secrets, and what must grant nothing here. */
const SECRET_WORDS = ['get', 'list', 'set', 'delete', 'recover', 'backup', 'restore', 'purge', 'all']
const OTHER_GRANTS = [
  { name: 'secrets GET LIST', secrets: ['GET', 'LIST'] },
  { name: 'secrets update', secrets: ['update'] },
  { name: 'keys all', keys: ['all'] },
  { name: 'certificates all', certificates: ['all'] },
  { name: 'storage all', storage: ['all'] },
]

let server: TestServer
let byRole: Vault
let byPolicy: Vault
let admin: TestApp
before(async () => {
  server = await startTestServer()
  byRole = await server.newVault()
  byPolicy = await server.newVault({ enableRbacAuthorization: false })
  admin = await server.newApp()
  await server.assign(byRole, admin.objectId, 'Key Vault Administrator')
})
after(() => server.stop())

interface Column {
  readonly title: string
  readonly method: string
  readonly path: string
  readonly body?: (blob: string) => unknown
  /** What the administrator does first, so that a caller with the right has success. */
  readonly state: 'none' | 'live' | 'deleted' | 'purged'
}

const columns: readonly Column[] = [
  { title: 'Set', method: 'PUT', path: '/secrets/s', body: () => ({ value: 'v' }), state: 'none' },
  { title: 'Get', method: 'GET', path: '/secrets/s', state: 'live' },
  { title: 'Update', method: 'PATCH', path: '/secrets/s', body: () => ({}), state: 'live' },
  { title: 'List', method: 'GET', path: '/secrets', state: 'live' },
  { title: 'ListVersions', method: 'GET', path: '/secrets/s/versions', state: 'live' },
  { title: 'Delete', method: 'DELETE', path: '/secrets/s', state: 'live' },
  { title: 'GetDeleted', method: 'GET', path: '/deletedsecrets/s', state: 'deleted' },
  { title: 'ListDeleted', method: 'GET', path: '/deletedsecrets', state: 'deleted' },
  { title: 'Recover', method: 'POST', path: '/deletedsecrets/s/recover', state: 'deleted' },
  { title: 'Purge', method: 'DELETE', path: '/deletedsecrets/s', state: 'deleted' },
  { title: 'Backup', method: 'POST', path: '/secrets/s/backup', state: 'live' },
  { title: 'Restore', method: 'POST', path: '/secrets/restore', body: (value) => ({ value }), state: 'purged' },
]

/** Brings the secret of a vault into a state, whatever state it was left in; answers a backup of it. */
async function prepare(vault: Vault, state: Column['state']): Promise<string> {
  const call = server.vault(vault.name)
  const { token } = admin
  await call('DELETE', '/secrets/s', undefined, { token })
  await call('DELETE', '/deletedsecrets/s', undefined, { token })
  if (state === 'none') return ''
  assert.equal((await call('PUT', '/secrets/s', { value: 'v' }, { token })).status, 200)
  const blob = (await call('POST', '/secrets/s/backup', undefined, { token })).json.value as string
  if (state !== 'live') await call('DELETE', '/secrets/s', undefined, { token })
  if (state === 'purged') await call('DELETE', '/deletedsecrets/s', undefined, { token })
  return blob
}

async function rowOf(vault: Vault, token: string): Promise<readonly string[]> {
  const marks: string[] = []
  for (const { method, path, body, state } of columns) {
    const blob = await prepare(vault, state)
    marks.push(markOf(await server.vault(vault.name)(method, path, body?.(blob), { token })))
  }
  return marks
}

function markOf({ status, json, text }: TestAnswer): string {
  if (status === 200 || status === 204) return 'x'
  if (status === 403 && /^ForbiddenBy(Rbac|Policy)$/.test(json.error.innererror.code)) return '.'
  throw new Error(`neither done nor forbidden: ${status} ${text}`)
}

/** One policy vault with the administrator and one more entry. */
async function setEntry(principalId: string, permissions: object): Promise<void> {
  await changeVault(server.data.installation, byPolicy.name, (vault) => ({
    ...vault,
    accessPolicies: [
      { tenantId: vault.tenantId, objectId: admin.objectId, permissions: { secrets: ['all'] } },
      { tenantId: vault.tenantId, objectId: principalId, permissions },
    ],
  }))
}

const NAME_WIDTH = 44

function lineOf(name: string, cells: readonly string[]): string {
  const padded = cells.map((cell, index) => cell.padEnd(columns[index]?.title.length ?? 0))
  return `${name.padEnd(NAME_WIDTH)}${padded.join('  ')}`.trimEnd()
}

const heading = (title: string) => [
  lineOf(
    title,
    columns.map((column) => column.title),
  ),
  '',
]

test('roles and access policies grant exactly what role-matrix.txt says', async () => {
  const lines = [
    'Who may do what with secrets: x is done, . is refused with 403. Compared by role-matrix.test.ts.',
    '',
    ...heading('A role at a vault with roles'),
  ]
  for (const { roleName } of builtInRoles.values()) {
    const app = await server.newApp()
    await server.assign(byRole, app.objectId, roleName)
    lines.push(lineOf(roleName, await rowOf(byRole, app.token)))
  }
  const nobody = await server.newApp()
  lines.push(lineOf('no role', await rowOf(byRole, nobody.token)))

  lines.push('', ...heading('A word of an entry at a vault with policies'))
  const caller = await server.newApp()
  const grants = [...SECRET_WORDS.map((word) => ({ name: `secrets ${word}`, secrets: [word] })), ...OTHER_GRANTS]
  for (const { name, ...permissions } of grants) {
    await setEntry(caller.objectId, permissions)
    lines.push(lineOf(name, await rowOf(byPolicy, caller.token)))
  }
  await setEntry(nobody.objectId, { secrets: ['all'] })
  lines.push(lineOf('no entry', await rowOf(byPolicy, caller.token)))

  lines.push('', ...heading('The other model'))
  await server.assign(byPolicy, caller.objectId, 'Key Vault Administrator')
  lines.push(lineOf('Administrator at a vault with policies', await rowOf(byPolicy, caller.token)))
  await changeVault(server.data.installation, byRole.name, (vault) => ({
    ...vault,
    accessPolicies: [{ tenantId: vault.tenantId, objectId: nobody.objectId, permissions: { secrets: ['all'] } }],
  }))
  lines.push(lineOf('secrets all at a vault with roles', await rowOf(byRole, nobody.token)))

  const found = `${lines.join('\n')}\n`
  if (process.env.KEYHAVEN_WRITE_ROLE_MATRIX === '1') writeFileSync(FILE, found)
  assert.equal(found, readFileSync(FILE, 'utf8'))
})

test('the matrix has a row for every built-in role and a column for every operation on secrets', async () => {
  const { secretOperations } = await import('../../../src/operations/secrets/index.ts')
  const titles = secretOperations.map(({ audit }) => audit.operationName.replace(/^Secret/, '')).sort()
  assert.deepEqual(columns.map(({ title }) => title).sort(), titles)
  const lines = readFileSync(FILE, 'utf8').split('\n')
  for (const { roleName } of builtInRoles.values()) {
    assert.ok(
      lines.some((line) => line.startsWith(`${roleName} `)),
      roleName,
    )
  }
})
