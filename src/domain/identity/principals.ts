/** Users, groups and managed identities: the principals that are not applications. */
import { MAX_GROUP_NESTING } from './limits.ts'
import type { SecretHash } from './secret-hash.ts'

export interface User {
  readonly objectId: string
  readonly tenantId: string
  /** `name@domain`, unique in the installation whatever its letter case. */
  readonly userPrincipalName: string
  readonly displayName: string
  /** Grows with every password change; refresh tokens of an older generation no longer count. */
  readonly signInGeneration: number
  readonly createdUnixSeconds: number
}

/** Sealed part of a user's record, as JSON. */
export interface UserSecrets {
  readonly password: SecretHash
}

export interface Group {
  readonly objectId: string
  readonly tenantId: string
  readonly displayName: string
  /** Object ids of users, service principals, managed identities and other groups. */
  readonly members: readonly string[]
  readonly createdUnixSeconds: number
}

export interface ManagedIdentity {
  /** Also the record's key. */
  readonly clientId: string
  /** Object id of its service principal. */
  readonly objectId: string
  readonly tenantId: string
  readonly displayName: string
  /** ARM id of the identity, or of the resource it is the system-assigned identity of. */
  readonly resourceId: string
  readonly kind: 'SystemAssigned' | 'UserAssigned'
  /** Base64url SHA-256 of the X-IDENTITY-HEADER value. The value is 256 random bits, so no salt is needed. */
  readonly endpointHeaderHash: string
  /** Whether the IMDS form, which asks for no secret, may give tokens of it to local processes. */
  readonly isAvailableToImds: boolean
  readonly createdUnixSeconds: number
}

/**
 * Object ids of every group the principal is in, directly or through other groups, in ascending order. Nesting is
 * followed to MAX_GROUP_NESTING levels; circles end by themselves. Only groups of the principal's own tenant count.
 */
export function groupsOf(objectId: string, tenantId: string, groups: readonly Group[]): readonly string[] {
  const parents = new Map<string, string[]>()
  for (const group of groups) {
    if (group.tenantId !== tenantId) continue
    for (const member of group.members) {
      const known = parents.get(member)
      if (known) known.push(group.objectId)
      else parents.set(member, [group.objectId])
    }
  }
  const found = new Set<string>()
  let level = [objectId]
  for (let depth = 0; depth < MAX_GROUP_NESTING && level.length > 0; depth += 1) {
    const next: string[] = []
    for (const member of level) {
      for (const parent of parents.get(member) ?? []) {
        if (found.has(parent)) continue
        found.add(parent)
        next.push(parent)
      }
    }
    level = next
  }
  return [...found].sort()
}

/** What a managed identity request may name its identity by. */
export interface ManagedIdentitySelection {
  readonly clientId?: string | undefined
  readonly objectId?: string | undefined
  readonly resourceId?: string | undefined
}

/**
 * The identity the selection names; without a selection the only system-assigned one, else the only one there is.
 * The candidates are those the caller may use, so a wrong name and a foreign one give the same answer.
 */
export function selectManagedIdentity(
  candidates: readonly ManagedIdentity[],
  selection: ManagedIdentitySelection,
): ManagedIdentity | 'notFound' | 'ambiguous' {
  const isNamed =
    selection.clientId !== undefined || selection.objectId !== undefined || selection.resourceId !== undefined
  if (isNamed) {
    const named = candidates.find(
      (identity) =>
        (selection.clientId === undefined || identity.clientId === selection.clientId.toLowerCase()) &&
        (selection.objectId === undefined || identity.objectId === selection.objectId.toLowerCase()) &&
        (selection.resourceId === undefined ||
          identity.resourceId.toLowerCase() === selection.resourceId.toLowerCase()),
    )
    return named ?? 'notFound'
  }
  const system = candidates.filter((identity) => identity.kind === 'SystemAssigned')
  if (system.length === 1 && system[0]) return system[0]
  if (candidates.length === 1 && candidates[0]) return candidates[0]
  return candidates.length === 0 ? 'notFound' : 'ambiguous'
}
