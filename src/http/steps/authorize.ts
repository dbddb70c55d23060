import { callerText, vaultText } from '../../domain/access/caller-text.ts'
import { type AccessDecision, decideAccess, type RoleAssignment } from '../../domain/access/decide.ts'
import type { Permission } from '../../domain/access/permission.ts'
import type { Caller } from '../../domain/identity/caller.ts'
import { isObjectName } from '../../domain/vault-objects/names.ts'
import { type Refusal, refuse } from '../../errors/refusal.ts'
import type { VaultEntry } from '../directory.ts'

type VaultObjectPermission = Extract<Permission, { kind: 'vaultObject' }>

/** Decides; does not refuse, so that the audit record has the decision either way. */
export function decide(
  entry: VaultEntry,
  caller: Caller,
  permission: VaultObjectPermission,
  name: string | undefined,
): AccessDecision {
  return decideAccess({
    caller,
    vault: entry.vault,
    permission,
    resource: resourceOf(entry, permission, name),
    assignments: assignmentsFor(entry, caller),
    roleOf: entry.roleOf,
  })
}

export function refusalOf(
  entry: VaultEntry,
  caller: Caller,
  permission: VaultObjectPermission,
  name: string | undefined,
  decision: Extract<AccessDecision, { allowed: false }>,
): Refusal {
  const vault = vaultText(entry.vault)
  if (decision.model === 'rbac') {
    return refuse('ForbiddenByRbac', {
      caller: callerText(caller, { withGroups: true }),
      action: permission.dataAction,
      resource: resourceOf(entry, permission, name),
      vault,
    })
  }
  if (decision.onlyOnBehalfOf) {
    return refuse('ForbiddenByPolicyOnBehalfOf', { caller: callerText(caller, { withGroups: false }) })
  }
  return refuse('ForbiddenByPolicy', {
    caller: callerText(caller, { withGroups: true }),
    category: permission.category,
    permission: permission.accessPolicy,
    vault,
  })
}

/** A name that breaks the rules names no object, so only rights on the whole vault count for it. */
function resourceOf(entry: VaultEntry, permission: VaultObjectPermission, name: string | undefined): string {
  if (permission.scope === 'vault' || name === undefined || !isObjectName(name)) return entry.scope
  return `${entry.scope}/${permission.category}/${name.toLowerCase()}`
}

function assignmentsFor(entry: VaultEntry, caller: Caller): readonly RoleAssignment[] {
  const own = entry.assignments.get(caller.oid.toLowerCase()) ?? []
  if (caller.groups.length === 0) return own
  return [...own, ...caller.groups.flatMap((group) => entry.assignments.get(group.toLowerCase()) ?? [])]
}
