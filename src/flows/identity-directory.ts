/**
 * Reads tenants, applications, users, groups and managed identities from the installation's records. Everything that
 * needs to know who exists asks here; identity-administration.ts is what changes them.
 */
import type { Application, ApplicationSecrets } from '../domain/identity/application.ts'
import { MAX_GROUPS, MAX_GROUPS_PER_TOKEN } from '../domain/identity/limits.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'
import {
  type Group,
  groupsOf,
  type ManagedIdentity,
  type User,
  type UserSecrets,
} from '../domain/identity/principals.ts'
import { defaultTenantOf, isUuid, type Subscription, type Tenant } from '../domain/identity/tenant.ts'
import type { Collection } from '../ports/store.ts'
import type { SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'

/** Records read at a time while a whole collection is walked through. */
const PAGE_SIZE = 200
/** A user is found by name through a record of this key; ids never start with it. */
const USER_NAME_PREFIX = 'upn/'

interface UserNameEntry {
  readonly objectId: string
}

export async function findTenant(records: SealedRecords, tenantId: string): Promise<Tenant | undefined> {
  return (await readById<Tenant>(records, 'tenants', tenantId))?.meta
}

export async function findDefaultTenant(records: SealedRecords): Promise<Tenant | undefined> {
  return defaultTenantOf(await listTenants(records))
}

export function listTenants(records: SealedRecords): Promise<readonly Tenant[]> {
  return listAll<Tenant>(records, 'tenants')
}

export function listSubscriptions(records: SealedRecords): Promise<readonly Subscription[]> {
  return listAll<Subscription>(records, 'subscriptions')
}

/** Reads every record; the token endpoint uses findApplication. */
export function listApplications(records: SealedRecords): Promise<readonly Application[]> {
  return listAll<Application>(records, 'applications')
}

export function findApplication(
  records: SealedRecords,
  clientId: string,
): Promise<SealedRecord<Application> | undefined> {
  return readById<Application>(records, 'applications', clientId)
}

export function secretsOfApplication(record: SealedRecord<Application>): ApplicationSecrets {
  return jsonOf<ApplicationSecrets>(record)
}

export function listUsers(records: SealedRecords): Promise<readonly User[]> {
  return listAll<User>(records, 'users')
}

export function findUser(records: SealedRecords, objectId: string): Promise<SealedRecord<User> | undefined> {
  return readById<User>(records, 'users', objectId)
}

/** By user principal name, in any letter case. */
export async function findUserByName(records: SealedRecords, name: string): Promise<SealedRecord<User> | undefined> {
  const key = userNameKey(name)
  if (key === undefined) return undefined
  const entry = await records.read<UserNameEntry>('users', key)
  return entry && findUser(records, entry.meta.objectId)
}

/** Undefined for what cannot be a user principal name. */
export function userNameKey(name: string): string | undefined {
  const lower = name.normalize('NFC').toLowerCase()
  return lower.length <= 256 && /^[^@\s]+@[^@\s]+$/.test(lower) ? `${USER_NAME_PREFIX}${lower}` : undefined
}

export function secretsOfUser(record: SealedRecord<User>): UserSecrets {
  return jsonOf<UserSecrets>(record)
}

export function listGroups(records: SealedRecords): Promise<readonly Group[]> {
  return listAll<Group>(records, 'groups')
}

export function findGroup(records: SealedRecords, objectId: string): Promise<SealedRecord<Group> | undefined> {
  return readById<Group>(records, 'groups', objectId)
}

export function listManagedIdentities(records: SealedRecords): Promise<readonly ManagedIdentity[]> {
  return listAll<ManagedIdentity>(records, 'managedIdentities')
}

/**
 * The groups claim of a principal. Refuses instead of leaving groups out: a token that silently lacks some would be
 * refused later, in places that do not tell why.
 */
export async function groupsClaimOf(
  records: SealedRecords,
  principal: { readonly objectId: string; readonly tenantId: string },
): Promise<readonly string[]> {
  const found = groupsOf(principal.objectId, principal.tenantId, await listGroups(records))
  if (found.length > MAX_GROUPS_PER_TOKEN) throw refuseToken('TooManyGroups', { max: MAX_GROUPS_PER_TOKEN })
  return found
}

async function readById<M>(
  records: SealedRecords,
  collection: Collection,
  id: string,
): Promise<SealedRecord<M> | undefined> {
  const key = id.toLowerCase()
  return isUuid(key) ? records.read<M>(collection, key) : undefined
}

async function listAll<M>(records: SealedRecords, collection: Collection): Promise<readonly M[]> {
  const found: M[] = []
  let after: string | undefined
  for (;;) {
    const page = await records.page<M>(collection, {
      prefix: '',
      limit: PAGE_SIZE,
      ...(after === undefined ? {} : { after }),
    })
    for (const record of page) if (isUuid(record.key)) found.push(record.meta)
    if (collection === 'groups' && found.length > MAX_GROUPS) throw new Error(`more than ${MAX_GROUPS} groups`)
    after = page.at(-1)?.key
    if (page.length < PAGE_SIZE || after === undefined) return found
  }
}

function jsonOf<T>(record: SealedRecord<unknown>): T {
  const value = record.openValue()
  try {
    return JSON.parse(value.revealText()) as T
  } finally {
    value.destroy()
  }
}
