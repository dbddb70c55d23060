import type { UnixSeconds } from './times.ts'

/** What is stored of an object's attributes; the recovery members belong to the vault and are added when answering. */
export interface StoredAttributes {
  readonly enabled: boolean
  readonly nbf?: UnixSeconds
  readonly exp?: UnixSeconds
  readonly created: UnixSeconds
  readonly updated: UnixSeconds
}

/** What a request may say of them. A member left out stays as it is; `created` and `updated` are read-only. */
export interface AttributesInput {
  readonly enabled?: boolean | null
  readonly nbf?: number | null
  readonly exp?: number | null
}

export function newAttributes(input: AttributesInput | undefined, now: UnixSeconds): StoredAttributes {
  return {
    enabled: input?.enabled ?? true,
    ...present('nbf', input?.nbf),
    ...present('exp', input?.exp),
    created: now,
    updated: now,
  }
}

export function updatedAttributes(
  stored: StoredAttributes,
  input: AttributesInput | undefined,
  now: UnixSeconds,
): StoredAttributes {
  return {
    enabled: input?.enabled ?? stored.enabled,
    ...present('nbf', input?.nbf ?? stored.nbf),
    ...present('exp', input?.exp ?? stored.exp),
    created: stored.created,
    updated: now,
  }
}

function present<K extends string>(key: K, value: number | null | undefined): Partial<Record<K, UnixSeconds>> {
  return value === undefined || value === null ? {} : ({ [key]: value } as Record<K, UnixSeconds>)
}
