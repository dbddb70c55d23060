/** The JSON of secrets as the newest api-version has it; member order is the order observed on the wire. */
import Type, { type Static } from 'typebox'
import { MAX_PAGE_SIZE } from '../../domain/limits/limits.ts'
import type { DeletedSecretMeta, SecretVersionMeta } from '../../domain/secrets/secret.ts'
import { isObjectName, type ObjectName } from '../../domain/vault-objects/names.ts'
import { recoveryLevelOf } from '../../domain/vaults/vault.ts'
import { refuse } from '../../errors/refusal.ts'
import type { SecretBytes } from '../../sealing/secret-bytes.ts'
import type { VaultContext } from '../contexts.ts'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()])
const unixTime = Type.Integer({ minimum: 0, maximum: 253_402_300_799, description: 'Unix seconds' })
// Not Type.Record: its pattern for names does not match line ends, and would let such a tag have any value.
const tags = Type.Unsafe<Record<string, string>>(
  Type.Object({}, { additionalProperties: Type.String(), description: 'At most 15 pairs of at most 512 characters' }),
)

export const nameParams = Type.Object({ name: Type.String({ description: 'Name of the secret' }) })
export const versionParams = Type.Object({
  name: Type.String({ description: 'Name of the secret' }),
  version: Type.Optional(Type.String({ description: 'Version of the secret; the current one when left out' })),
})
export const noParams = Type.Object({})
export const noQuery = Type.Object({})
export const pageQuery = Type.Object({
  maxresults: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_PAGE_SIZE, description: 'How many items a page has at most' }),
  ),
  $skiptoken: Type.Optional(Type.String({ description: 'Where the page starts; comes from a nextLink' })),
})
export type PageQuery = Static<typeof pageQuery>

const attributesInput = Type.Object({
  enabled: Type.Optional(nullable(Type.Boolean())),
  nbf: Type.Optional(nullable(unixTime)),
  exp: Type.Optional(nullable(unixTime)),
})

export const setSecretBody = Type.Object({
  value: Type.String({ description: 'At most 25 KiB of UTF-8' }),
  contentType: Type.Optional(nullable(Type.String())),
  attributes: Type.Optional(nullable(attributesInput)),
  tags: Type.Optional(nullable(tags)),
})
export const updateSecretBody = Type.Object({
  contentType: Type.Optional(nullable(Type.String())),
  attributes: Type.Optional(nullable(attributesInput)),
  tags: Type.Optional(nullable(tags)),
})
export const restoreBody = Type.Object({ value: Type.String({ description: 'A blob from BackupSecret, base64url' }) })
export const backupAnswer = Type.Object({ value: Type.String({ description: 'The backup blob, base64url' }) })

const attributes = Type.Object({
  enabled: Type.Boolean(),
  nbf: Type.Optional(unixTime),
  exp: Type.Optional(unixTime),
  created: unixTime,
  updated: unixTime,
  recoveryLevel: Type.String(),
  recoverableDays: Type.Optional(Type.Integer()),
})

export const secretItem = Type.Object({
  contentType: Type.Optional(Type.String()),
  id: Type.String(),
  managed: Type.Optional(Type.Boolean()),
  attributes,
  tags: Type.Optional(tags),
})
export const secretBundle = Type.Object({
  value: Type.Optional(Type.String()),
  ...secretItem.properties,
  kid: Type.Optional(Type.String()),
  previousVersion: Type.Optional(Type.String()),
})
const deletedMembers = { recoveryId: Type.String(), deletedDate: unixTime, scheduledPurgeDate: unixTime }
export const deletedSecretBundle = Type.Object({ ...deletedMembers, ...secretBundle.properties })
export const deletedSecretItem = Type.Object({ ...deletedMembers, ...secretItem.properties })
export const pageOf = <T extends typeof secretItem | typeof deletedSecretItem>(item: T) =>
  Type.Object({ value: Type.Array(item), nextLink: nullable(Type.String()) })

type Item = Static<typeof secretItem>

/** Refuses a name from the path that breaks the rules. */
export function requireName(name: string): ObjectName {
  if (!isObjectName(name)) throw refuse('InvalidName', { name })
  return name
}

export function toSecretBundle(
  context: VaultContext,
  meta: SecretVersionMeta,
  value?: SecretBytes,
): Static<typeof secretBundle> {
  return {
    ...(value === undefined ? {} : { value: value.revealText() }),
    ...toItem(context, meta, `/${meta.version}`),
    ...(meta.keyVersion === undefined ? {} : { kid: `${context.baseUrl}/keys/${meta.name}/${meta.keyVersion}` }),
    ...(meta.previousVersion === undefined ? {} : { previousVersion: meta.previousVersion }),
  }
}

export function toSecretItem(context: VaultContext, meta: SecretVersionMeta): Item {
  return toItem(context, meta, '')
}

export function toSecretVersionItem(context: VaultContext, meta: SecretVersionMeta): Item {
  return toItem(context, meta, `/${meta.version}`)
}

export function toDeletedSecretBundle(
  context: VaultContext,
  meta: DeletedSecretMeta,
): Static<typeof deletedSecretBundle> {
  return { ...toDeletedMembers(context, meta), ...toSecretBundle(context, meta) }
}

export function toDeletedSecretItem(context: VaultContext, meta: DeletedSecretMeta): Static<typeof deletedSecretItem> {
  return { ...toDeletedMembers(context, meta), ...toItem(context, meta, '') }
}

function toDeletedMembers({ baseUrl }: VaultContext, { name, deletion }: DeletedSecretMeta) {
  return {
    recoveryId: `${baseUrl}/deletedsecrets/${name}`,
    deletedDate: deletion.deletedDate,
    scheduledPurgeDate: deletion.scheduledPurgeDate,
  }
}

function toItem({ baseUrl, vault }: VaultContext, meta: SecretVersionMeta, versionPath: string): Item {
  return {
    ...(meta.contentType === undefined ? {} : { contentType: meta.contentType }),
    id: `${baseUrl}/secrets/${meta.name}${versionPath}`,
    ...(meta.managed === undefined ? {} : { managed: meta.managed }),
    attributes: {
      ...inOrder(meta.attributes),
      recoveryLevel: recoveryLevelOf(vault),
      recoverableDays: vault.softDeleteRetentionInDays,
    },
    ...(meta.tags === undefined ? {} : { tags: meta.tags }),
  }
}

/** enabled, nbf, exp, created, updated: the observed order, whatever order they were stored in. */
function inOrder({ enabled, nbf, exp, created, updated }: SecretVersionMeta['attributes']) {
  return {
    enabled,
    ...(nbf === undefined ? {} : { nbf }),
    ...(exp === undefined ? {} : { exp }),
    created,
    updated,
  }
}
