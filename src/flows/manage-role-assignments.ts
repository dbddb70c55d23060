/** Making, listing and removing role assignments: for the CLI, the start-up of development and the control plane. */
import { findBuiltInRole, type RoleDefinition } from '../domain/access/built-in-roles.ts'
import type { RoleAssignment } from '../domain/access/decide.ts'
import type { Random } from '../ports/random.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'

/** Assignments are stored under `SCOPE\nID`, so those of one scope lie together. */
export const roleAssignmentKey = (scope: string, id: string) => `${scope}\n${id}`

export class RoleAssignmentRefused extends Error {
  override readonly name = 'RoleAssignmentRefused'
}

const SCOPE = /^(?:\/|(?:\/[^/\n]+)+)$/

/** Lower case, without a final slash: the form scopes are stored and compared in. */
export function normalScope(scope: string): string {
  const lower = scope.toLowerCase()
  const normal = lower.length > 1 && lower.endsWith('/') ? lower.slice(0, -1) : lower
  if (!SCOPE.test(normal))
    throw new RoleAssignmentRefused(`"${scope}" is no scope: use an ARM id such as /subscriptions/…`)
  return normal
}

export async function findRole(installation: SealedRecords, idOrName: string): Promise<RoleDefinition | undefined> {
  const builtIn = findBuiltInRole(idOrName)
  if (builtIn !== undefined) return builtIn
  return (await installation.read<RoleDefinition>('roleDefinitions', idOrName.toLowerCase()))?.meta
}

/** Gives a principal a role at a scope; giving it again answers the assignment there is. */
export async function assignRole(
  { installation, random }: { readonly installation: SealedRecords; readonly random: Random },
  { scope, principalId, role }: { readonly scope: string; readonly principalId: string; readonly role: string },
): Promise<RoleAssignment> {
  const definition = await findRole(installation, role)
  if (definition === undefined) {
    throw new RoleAssignmentRefused(`there is no role "${role}"; "keyhaven role definitions" lists them`)
  }
  const at = normalScope(scope)
  for (const existing of await listRoleAssignments(installation, at)) {
    if (existing.principalId === principalId.toLowerCase() && existing.roleDefinitionId === definition.id)
      return existing
  }
  const assignment: RoleAssignment = {
    id: random.uuid(),
    scope: at,
    principalId: principalId.toLowerCase(),
    roleDefinitionId: definition.id,
  }
  await installation.commit([
    { collection: 'roleAssignments', key: roleAssignmentKey(at, assignment.id), expect: 'absent', meta: assignment },
  ])
  return assignment
}

/** Assignments at exactly this scope, or all of them. */
export async function listRoleAssignments(
  installation: SealedRecords,
  scope?: string,
): Promise<readonly RoleAssignment[]> {
  const assignments: RoleAssignment[] = []
  let after: string | undefined
  for (;;) {
    const page = await installation.page<RoleAssignment>('roleAssignments', {
      prefix: scope === undefined ? '' : `${normalScope(scope)}\n`,
      limit: 500,
      ...(after === undefined ? {} : { after }),
    })
    assignments.push(...page.map(({ meta }) => meta))
    after = page.at(-1)?.key
    if (after === undefined) return assignments
  }
}

export async function removeRoleAssignment(installation: SealedRecords, id: string): Promise<boolean> {
  for (const assignment of await listRoleAssignments(installation)) {
    if (assignment.id !== id.toLowerCase()) continue
    const key = roleAssignmentKey(assignment.scope, assignment.id)
    await installation.commit([{ collection: 'roleAssignments', key, expect: 'any', meta: null }])
    return true
  }
  return false
}
