import { parseArgs } from 'node:util'
import { builtInRoles } from '../domain/access/built-in-roles.ts'
import type { RoleAssignment } from '../domain/access/decide.ts'
import { vaultScope } from '../domain/vaults/vault.ts'
import {
  assignRole,
  listRoleAssignments,
  RoleAssignmentRefused,
  removeRoleAssignment,
} from '../flows/manage-role-assignments.ts'
import { findVault } from '../flows/manage-vaults.ts'
import { systemRandom } from '../ports/random.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { table, withData } from './with-data.ts'

const HELP = `Usage: keyhaven role assign --role ROLE --assignee OBJECT-ID (--vault NAME [--secret NAME] | --scope SCOPE)
       keyhaven role list [--vault NAME | --scope SCOPE]
       keyhaven role remove --id ASSIGNMENT
       keyhaven role definitions

  --role       name or id of a role, for instance "Key Vault Secrets User"
  --assignee   object id of an app's service principal, a user, a group or a managed identity
  --scope      ARM id of a subscription, resource group, vault or secret; everything below it is included
  --json       one JSON document instead of text
${DATA_FLAGS_HELP}

Example: keyhaven role assign --role "Key Vault Secrets User" --assignee 1f0c… --vault dev
`

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...dataFlagOptions,
      role: { type: 'string' },
      assignee: { type: 'string' },
      scope: { type: 'string' },
      vault: { type: 'string' },
      secret: { type: 'string' },
      id: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  const [verb] = positionals
  if (given.help === true || verb === undefined) {
    process.stdout.write(HELP)
    return given.help === true ? 0 : 2
  }
  const show = (assignments: readonly RoleAssignment[]) => {
    if (given.json === true) process.stdout.write(`${JSON.stringify(assignments)}\n`)
    else {
      const rows = assignments.map(({ id, principalId, roleDefinitionId, scope }) => [
        id,
        builtInRoles.get(roleDefinitionId)?.roleName ?? roleDefinitionId,
        principalId,
        scope,
      ])
      process.stdout.write(table([['ID', 'ROLE', 'ASSIGNEE', 'SCOPE'], ...rows]))
    }
    return 0
  }
  if (verb === 'definitions') {
    const roles = [...builtInRoles.values()]
    if (given.json === true) process.stdout.write(`${JSON.stringify(roles)}\n`)
    else {
      process.stdout.write(
        table([['ID', 'ROLE', 'FOR'], ...roles.map(({ id, roleName, description }) => [id, roleName, description])]),
      )
    }
    return 0
  }
  return withData(given, async ({ installation }) => {
    switch (verb) {
      case 'assign': {
        const scope = await scopeFrom(installation, given)
        if (scope === undefined || typeof given.role !== 'string' || typeof given.assignee !== 'string') {
          throw new RoleAssignmentRefused('assign needs --role, --assignee and either --vault or --scope')
        }
        const parts = { installation, random: systemRandom }
        return show([await assignRole(parts, { scope, principalId: given.assignee, role: given.role })])
      }
      case 'list':
        return show(await listRoleAssignments(installation, await scopeFrom(installation, given)))
      case 'remove':
        if (typeof given.id !== 'string') throw new RoleAssignmentRefused('remove needs --id; role list shows the ids')
        if (await removeRoleAssignment(installation, given.id)) return 0
        throw new RoleAssignmentRefused(`there is no role assignment ${given.id}`)
      default:
        process.stderr.write(`keyhaven role: there is no "${verb}"; keyhaven role --help lists what there is\n`)
        return 2
    }
  })
}

async function scopeFrom(
  installation: SealedRecords,
  { vault, secret, scope }: Readonly<Record<string, string | boolean | undefined>>,
): Promise<string | undefined> {
  if (typeof scope === 'string') return scope
  if (typeof vault !== 'string') return undefined
  const found = await findVault(installation, vault)
  if (found === undefined) throw new RoleAssignmentRefused(`there is no vault ${vault}`)
  return typeof secret === 'string' ? `${vaultScope(found.meta)}/secrets/${secret}` : vaultScope(found.meta)
}
