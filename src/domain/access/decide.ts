/**
 * May this caller do this here? Both of the service's models, deny by default: a grant has to be found, and everything
 * that is not understood grants nothing.
 */
import type { Caller } from '../identity/caller.ts'
import type { Vault } from '../vaults/vault.ts'
import type { RoleDefinition } from './built-in-roles.ts'
import type { Permission } from './permission.ts'

export interface RoleAssignment {
  readonly id: string
  /** ARM scope in lower case without a final slash; '/' is everything. */
  readonly scope: string
  readonly principalId: string
  readonly roleDefinitionId: string
  /** A condition we do not evaluate: such an assignment grants nothing. */
  readonly condition?: string
}

export interface AccessQuestion {
  readonly caller: Caller
  readonly vault: Vault
  readonly permission: Extract<Permission, { kind: 'vaultObject' }>
  /** Lower-case ARM id of what is accessed: the vault, or an object in it. */
  readonly resource: string
  /** Assignments at the vault, above it and on objects below it; others may be among them. */
  readonly assignments: readonly RoleAssignment[]
  readonly roleOf: (roleDefinitionId: string) => RoleDefinition | undefined
}

export type AccessDecision =
  | { readonly allowed: true; readonly model: 'policy' }
  | { readonly allowed: true; readonly model: 'rbac'; readonly assignmentId: string }
  | { readonly allowed: false; readonly model: 'policy'; readonly onlyOnBehalfOf: boolean }
  | { readonly allowed: false; readonly model: 'rbac' }

export function decideAccess(question: AccessQuestion): AccessDecision {
  return question.vault.enableRbacAuthorization ? byRoles(question) : byPolicies(question)
}

function byRoles({ caller, permission, resource, assignments, roleOf }: AccessQuestion): AccessDecision {
  for (const assignment of assignments) {
    if (!isPrincipal(caller, assignment.principalId)) continue
    if (assignment.condition !== undefined) continue
    if (!isWithinScope(resource, assignment.scope)) continue
    const role = roleOf(assignment.roleDefinitionId)
    if (role !== undefined && grantsDataAction(role, permission.dataAction)) {
      return { allowed: true, model: 'rbac', assignmentId: assignment.id }
    }
  }
  return { allowed: false, model: 'rbac' }
}

function byPolicies({ caller, vault, permission }: AccessQuestion): AccessDecision {
  let onlyOnBehalfOf = false
  for (const entry of vault.accessPolicies) {
    if (entry.tenantId.toLowerCase() !== vault.tenantId.toLowerCase()) continue
    if (!isPrincipal(caller, entry.objectId)) continue
    const granted = entry.permissions[permission.category] ?? []
    const wanted = permission.accessPolicy.toLowerCase()
    if (!granted.some((word) => word.toLowerCase() === wanted || word.toLowerCase() === 'all')) continue
    // A compound entry is for a user through that application; an app-only token never fits it.
    if (entry.applicationId === undefined) return { allowed: true, model: 'policy' }
    if (caller.scp !== undefined && caller.appid?.toLowerCase() === entry.applicationId.toLowerCase()) {
      return { allowed: true, model: 'policy' }
    }
    onlyOnBehalfOf = true
  }
  return { allowed: false, model: 'policy', onlyOnBehalfOf }
}

function isPrincipal(caller: Caller, principalId: string): boolean {
  const wanted = principalId.toLowerCase()
  return caller.oid.toLowerCase() === wanted || caller.groups.some((group) => group.toLowerCase() === wanted)
}

/** Whether the scope is the resource or an ancestor of it, by whole path segments: `/a/b` is no ancestor of `/a/bc`. */
export function isWithinScope(resource: string, scope: string): boolean {
  if (scope === '/') return true
  return resource === scope || (resource.startsWith(scope) && resource[scope.length] === '/')
}

/** Data actions of a role, minus its notDataActions, per permission block. */
export function grantsDataAction(role: RoleDefinition, dataAction: string): boolean {
  return role.permissions.some(
    ({ dataActions, notDataActions }) =>
      dataActions.some((pattern) => actionMatches(pattern, dataAction)) &&
      !notDataActions.some((pattern) => actionMatches(pattern, dataAction)),
  )
}

const compiled = new Map<string, RegExp>()
const MAX_COMPILED_PATTERNS = 10_000

/** Action patterns compare without regard to case; `*` stands for any text, over several segments. */
export function actionMatches(pattern: string, action: string): boolean {
  let expression = compiled.get(pattern)
  if (expression === undefined) {
    const source = pattern
      .split('*')
      .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      .join('.*')
    expression = new RegExp(`^${source}$`, 'is')
    if (compiled.size >= MAX_COMPILED_PATTERNS) compiled.clear()
    compiled.set(pattern, expression)
  }
  return expression.test(action)
}
