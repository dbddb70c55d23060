/**
 * Everything encrypted at rest passes here; the store below only ever sees sealed bytes.
 *
 * root key -> key of a vault (a "keyring") -> record, AES-256-GCM. The associated data binds a record to the
 * installation, its keyring, its collection and its key, so rows cannot be swapped between vaults, kinds, names or
 * versions. A record has two parts sealed apart: `meta`, which lists read, and `value`, which is opened only by an
 * operation that answers it.
 */

import type { Change, Collection, Expectation, PageRequest } from '../ports/store.ts'
import type { SecretBytes } from './secret-bytes.ts'

/** The keyring of records that belong to no vault: vaults themselves, identities, role assignments, signing keys. */
export const INSTALLATION_KEYRING = 'installation'

export interface SealedRecord<M> {
  readonly key: string
  readonly revision: number
  readonly meta: M
  /** Opens the sealed value. Throws when the record has none. */
  openValue(): SecretBytes
  readonly hasValue: boolean
}

export interface SealedChange {
  readonly collection: Collection
  readonly key: string
  readonly expect: Expectation
  /** null deletes, 'keep' only checks the expectation; else the JSON meta data of the new record. */
  readonly meta: object | null | 'keep'
  readonly value?: SecretBytes
}

/** Reads and writes records under one keyring. */
export interface SealedRecords {
  readonly keyring: string
  read<M>(collection: Collection, key: string): Promise<SealedRecord<M> | undefined>
  /** As `read`, for operations that answer the value: opens both at once. */
  readWithValue<M>(collection: Collection, key: string): Promise<SealedRecord<M> | undefined>
  page<M>(collection: Collection, request: PageRequest): Promise<readonly SealedRecord<M>[]>
  /**
   * All or none, durable. Throws StoreConflict as the store does. `unsealed` goes into the same commit as it is: key
   * records, which are sealed another way.
   */
  commit(changes: readonly SealedChange[], unsealed?: readonly Change[]): Promise<void>
}
