/**
 * What a secret is: a name with versions. The record of the secret holds its current version whole, so reading the
 * current value is one look-up; older versions have records of their own.
 */
import {
  MAX_CONTENT_TYPE_CHARACTERS,
  MAX_SECRET_VALUE_BYTES,
  MAX_TAG_NAME_CHARACTERS,
  MAX_TAG_VALUE_CHARACTERS,
  MAX_TAGS,
} from '../limits/limits.ts'
import {
  type AttributesInput,
  newAttributes,
  type StoredAttributes,
  updatedAttributes,
} from '../vault-objects/attributes.ts'
import type { Deletion } from '../vault-objects/deletion.ts'
import type { ObjectName, ObjectVersion } from '../vault-objects/names.ts'
import type { UnixSeconds } from '../vault-objects/times.ts'

/** One version without its value. */
export interface SecretVersionMeta {
  readonly name: ObjectName
  readonly version: ObjectVersion
  readonly attributes: StoredAttributes
  readonly contentType?: string
  readonly tags?: Readonly<Record<string, string>>
  /** True for the secret of a certificate. */
  readonly managed?: boolean
  /** Version of the key behind a certificate's secret. */
  readonly keyVersion?: ObjectVersion
  /** The certificate's version before this one. */
  readonly previousVersion?: ObjectVersion
}

/** Record of a live secret: its current version. */
export interface SecretMeta extends SecretVersionMeta {
  /** Until then a recovery is still going on to clients. */
  readonly visibleFrom?: UnixSeconds
}

/** Record of a deleted secret. */
export interface DeletedSecretMeta extends SecretVersionMeta {
  readonly deletion: Deletion
}

export interface SecretInput {
  readonly contentType?: string | null
  readonly tags?: Readonly<Record<string, string>> | null
  readonly attributes?: AttributesInput | null
}

/** Every set starts from scratch: nothing is inherited from the version before (reference: secrets, section 2). */
export function newSecretVersion(
  name: ObjectName,
  version: ObjectVersion,
  input: SecretInput,
  now: UnixSeconds,
): SecretVersionMeta {
  return {
    name,
    version,
    attributes: newAttributes(input.attributes ?? undefined, now),
    ...(input.contentType == null ? {} : { contentType: input.contentType }),
    ...(input.tags == null ? {} : { tags: input.tags }),
  }
}

/** Members left out stay; tags given replace the set. */
export function updatedSecretVersion<M extends SecretVersionMeta>(meta: M, input: SecretInput, now: UnixSeconds): M {
  return {
    ...meta,
    attributes: updatedAttributes(meta.attributes, input.attributes ?? undefined, now),
    ...(input.contentType == null ? {} : { contentType: input.contentType }),
    ...(input.tags == null ? {} : { tags: input.tags }),
  }
}

export function isValueTooLong(valueBytes: number): boolean {
  return valueBytes > MAX_SECRET_VALUE_BYTES
}

/** Whether content type and tags keep to their limits. */
export function keepsLimits(input: SecretInput): boolean {
  if ((input.contentType?.length ?? 0) > MAX_CONTENT_TYPE_CHARACTERS) return false
  const tags = Object.entries(input.tags ?? {})
  return (
    tags.length <= MAX_TAGS &&
    tags.every(([name, value]) => name.length <= MAX_TAG_NAME_CHARACTERS && value.length <= MAX_TAG_VALUE_CHARACTERS)
  )
}
