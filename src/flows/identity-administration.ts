/**
 * Makes and changes tenants, subscriptions, users, groups and managed identities: for the command line and the start-up
 * of development. Applications are in identity-applications.ts.
 *
 * Everything here may be called by several processes at once: what must be unique is written expecting that it is not
 * there, and what is changed is written expecting that nobody else changed it.
 */
import {
  MAX_DISPLAY_NAME_CHARACTERS,
  MAX_GROUPS,
  MAX_MEMBERS_PER_GROUP,
  MAX_SECRET_CHARACTERS,
  MIN_PASSWORD_CHARACTERS,
} from '../domain/identity/limits.ts'
import type { Group, ManagedIdentity, User, UserSecrets } from '../domain/identity/principals.ts'
import { hashChosenSecret, SECRET_SALT_BYTES } from '../domain/identity/secret-hash.ts'
import { isUuid, type Subscription, type Tenant } from '../domain/identity/tenant.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Collection, StoreConflict } from '../ports/store.ts'
import type { SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import {
  findGroup,
  findTenant,
  findUserByName,
  listGroups,
  listManagedIdentities,
  listTenants,
  userNameKey,
} from './identity-directory.ts'
import { hashOfEndpointHeader } from './token-managed-identity.ts'

export interface IdentityParts {
  readonly records: SealedRecords
  readonly clock: Clock
  readonly random: Random
}

/** What was asked for cannot be done; the message says why and, where it can, what to do. */
export class IdentityRefused extends Error {
  override readonly name = 'IdentityRefused'
}

const MAX_ATTEMPTS = 5
const ENDPOINT_HEADER_BYTES = 32

export interface NewTenant {
  readonly displayName: string
  /** Made up where it does not matter. */
  readonly tenantId?: string | undefined
}

/** The first tenant of an installation is its default one. */
export async function createTenant(parts: IdentityParts, wanted: NewTenant): Promise<Tenant> {
  const tenant: Tenant = {
    tenantId: idFrom(parts.random, wanted.tenantId),
    displayName: requireDisplayName(wanted.displayName),
    isDefault: !(await listTenants(parts.records)).some(({ isDefault }) => isDefault),
    createdUnixSeconds: unixSecondsOf(parts.clock.nowMs()),
  }
  await insert(parts, 'tenants', tenant.tenantId, tenant, 'tenant')
  return tenant
}

export interface NewSubscription {
  readonly displayName: string
  readonly tenantId: string
  readonly subscriptionId?: string | undefined
}

export async function createSubscription(parts: IdentityParts, wanted: NewSubscription): Promise<Subscription> {
  const subscription: Subscription = {
    subscriptionId: idFrom(parts.random, wanted.subscriptionId),
    displayName: requireDisplayName(wanted.displayName),
    tenantId: await requireTenant(parts.records, wanted.tenantId),
  }
  await insert(parts, 'subscriptions', subscription.subscriptionId, subscription, 'subscription')
  return subscription
}

export interface NewUser {
  readonly userPrincipalName: string
  readonly displayName: string
  readonly tenantId: string
  readonly password: string
}

export async function createUser(parts: IdentityParts, wanted: NewUser): Promise<User> {
  const nameKey = userNameKey(wanted.userPrincipalName)
  if (nameKey === undefined) throw new IdentityRefused('a user principal name has the form name@domain')
  const user: User = {
    objectId: parts.random.uuid(),
    tenantId: await requireTenant(parts.records, wanted.tenantId),
    userPrincipalName: wanted.userPrincipalName.normalize('NFC'),
    displayName: requireDisplayName(wanted.displayName),
    signInGeneration: 1,
    createdUnixSeconds: unixSecondsOf(parts.clock.nowMs()),
  }
  const value = await sealedPassword(parts.random, wanted.password)
  try {
    await parts.records.commit([
      { collection: 'users', key: nameKey, expect: 'absent', meta: { objectId: user.objectId } },
      { collection: 'users', key: user.objectId, expect: 'absent', meta: user, value },
    ])
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
    throw new IdentityRefused(`there is a user ${wanted.userPrincipalName} already`, { cause: error })
  }
  return user
}

/** Ends the user's refresh tokens as well. */
export async function setPassword(parts: IdentityParts, userPrincipalName: string, password: string): Promise<void> {
  await retrying(async () => {
    const record = await requireUser(parts.records, userPrincipalName)
    const meta: User = { ...record.meta, signInGeneration: record.meta.signInGeneration + 1 }
    const value = await sealedPassword(parts.random, password)
    await parts.records.commit([{ collection: 'users', key: record.key, expect: record.revision, meta, value }])
  })
}

export async function deleteUser(parts: IdentityParts, userPrincipalName: string): Promise<void> {
  await retrying(async () => {
    const record = await requireUser(parts.records, userPrincipalName)
    const nameKey = userNameKey(record.meta.userPrincipalName)
    if (nameKey === undefined) throw new Error(`the stored user ${record.key} has no proper name`)
    await parts.records.commit([
      { collection: 'users', key: record.key, expect: record.revision, meta: null },
      { collection: 'users', key: nameKey, expect: 'any', meta: null },
    ])
  })
}

export interface NewGroup {
  readonly displayName: string
  readonly tenantId: string
}

export async function createGroup(parts: IdentityParts, wanted: NewGroup): Promise<Group> {
  if ((await listGroups(parts.records)).length >= MAX_GROUPS) {
    throw new IdentityRefused(`an installation has at most ${MAX_GROUPS} groups`)
  }
  const group: Group = {
    objectId: parts.random.uuid(),
    tenantId: await requireTenant(parts.records, wanted.tenantId),
    displayName: requireDisplayName(wanted.displayName),
    members: [],
    createdUnixSeconds: unixSecondsOf(parts.clock.nowMs()),
  }
  await insert(parts, 'groups', group.objectId, group, 'group')
  return group
}

/** `objectId` is that of a user, service principal, managed identity or group. May be repeated. */
export async function addGroupMember(parts: IdentityParts, groupId: string, objectId: string): Promise<void> {
  const member = objectId.toLowerCase()
  if (!isUuid(member)) throw new IdentityRefused('a member is named by its object id')
  await changeMembers(parts, groupId, (members) => (members.includes(member) ? members : [...members, member]))
}

/** May be repeated. Tokens issued before keep naming the group until they expire. */
export async function removeGroupMember(parts: IdentityParts, groupId: string, objectId: string): Promise<void> {
  const member = objectId.toLowerCase()
  await changeMembers(parts, groupId, (members) => members.filter((known) => known !== member))
}

async function changeMembers(
  parts: IdentityParts,
  groupId: string,
  change: (members: readonly string[]) => readonly string[],
): Promise<void> {
  await retrying(async () => {
    const record = await findGroup(parts.records, groupId)
    if (record === undefined) throw new IdentityRefused(`there is no group ${groupId}`)
    const members = change(record.meta.members)
    if (members.length > MAX_MEMBERS_PER_GROUP) {
      throw new IdentityRefused(`a group has at most ${MAX_MEMBERS_PER_GROUP} members`)
    }
    const meta: Group = { ...record.meta, members }
    await parts.records.commit([{ collection: 'groups', key: record.key, expect: record.revision, meta }])
  })
}

export interface NewManagedIdentity {
  readonly displayName: string
  readonly tenantId: string
  /** ARM id; made from the display name where it does not matter. */
  readonly resourceId?: string | undefined
  readonly kind?: ManagedIdentity['kind'] | undefined
  readonly isAvailableToImds?: boolean | undefined
  /** Client id of an identity that the same process uses, whose header value then opens this one too. */
  readonly headerSharedWith?: string | undefined
}

export interface CreatedManagedIdentity {
  readonly identity: ManagedIdentity
  /** The value of IDENTITY_HEADER; stored nowhere. Undefined where another identity's value counts. */
  readonly endpointHeader: string | undefined
}

export async function createManagedIdentity(
  parts: IdentityParts,
  wanted: NewManagedIdentity,
): Promise<CreatedManagedIdentity> {
  const displayName = requireDisplayName(wanted.displayName)
  const kind = wanted.kind ?? 'UserAssigned'
  const made =
    wanted.headerSharedWith === undefined
      ? Buffer.from(parts.random.bytes(ENDPOINT_HEADER_BYTES)).toString('base64url')
      : undefined
  const endpointHeaderHash =
    made === undefined ? await headerHashOf(parts.records, wanted.headerSharedWith) : hashOfEndpointHeader(made)
  const identity: ManagedIdentity = {
    clientId: parts.random.uuid(),
    objectId: parts.random.uuid(),
    tenantId: await requireTenant(parts.records, wanted.tenantId),
    displayName,
    resourceId: wanted.resourceId ?? resourceIdFor(displayName),
    kind,
    endpointHeaderHash,
    isAvailableToImds: wanted.isAvailableToImds ?? false,
    createdUnixSeconds: unixSecondsOf(parts.clock.nowMs()),
  }
  await insert(parts, 'managedIdentities', identity.clientId, identity, 'managed identity')
  return { identity, endpointHeader: made }
}

function resourceIdFor(displayName: string): string {
  const name = displayName.replaceAll(/[^A-Za-z0-9_-]+/g, '-')
  return `/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/keyhaven/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
}

async function headerHashOf(records: SealedRecords, clientId: string | undefined): Promise<string> {
  const other = (await listManagedIdentities(records)).find((identity) => identity.clientId === clientId?.toLowerCase())
  if (other === undefined) throw new IdentityRefused(`there is no managed identity ${clientId ?? ''}`)
  return other.endpointHeaderHash
}

async function requireUser(records: SealedRecords, userPrincipalName: string): Promise<SealedRecord<User>> {
  const record = await findUserByName(records, userPrincipalName)
  if (record === undefined) throw new IdentityRefused(`there is no user ${userPrincipalName}`)
  return record
}

async function sealedPassword(random: Random, password: string): Promise<SecretBytes> {
  if (password.length < MIN_PASSWORD_CHARACTERS || password.length > MAX_SECRET_CHARACTERS) {
    throw new IdentityRefused(`a password has ${MIN_PASSWORD_CHARACTERS} to ${MAX_SECRET_CHARACTERS} characters`)
  }
  const secrets: UserSecrets = { password: await hashChosenSecret(password, random.bytes(SECRET_SALT_BYTES)) }
  return SecretBytes.fromText(JSON.stringify(secrets))
}

/** Answers the id in the form it is stored in. */
export async function requireTenant(records: SealedRecords, tenantId: string): Promise<string> {
  const tenant = await findTenant(records, tenantId)
  if (tenant === undefined)
    throw new IdentityRefused(`there is no tenant ${tenantId}; "keyhaven tenant list" shows them`)
  return tenant.tenantId
}

export function requireDisplayName(displayName: string): string {
  const isProper =
    displayName.trim() !== '' && displayName.length <= MAX_DISPLAY_NAME_CHARACTERS && !/\p{Cc}/u.test(displayName)
  if (!isProper) throw new IdentityRefused(`a name has 1 to ${MAX_DISPLAY_NAME_CHARACTERS} characters on one line`)
  return displayName
}

export function idFrom(random: Random, wanted: string | undefined): string {
  if (wanted === undefined) return random.uuid()
  const id = wanted.toLowerCase()
  if (!isUuid(id)) throw new IdentityRefused(`${wanted} is not a GUID`)
  return id
}

async function insert(
  parts: IdentityParts,
  collection: Collection,
  key: string,
  meta: object,
  what: string,
): Promise<void> {
  try {
    await parts.records.commit([{ collection, key, expect: 'absent', meta }])
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
    throw new IdentityRefused(`there is a ${what} ${key} already`, { cause: error })
  }
}

/** Somebody else changed the same record in between: decides anew from what is there now. */
export async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof StoreConflict) || tries >= MAX_ATTEMPTS) throw error
    }
  }
}
