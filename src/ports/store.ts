/**
 * What Keyhaven needs of a database: ordered collections of opaque records and an all-or-nothing commit.
 *
 * The store never sees anything but sealed bytes and keys, and knows no rule of ours: it does not know what a deleted
 * secret is. Nothing above this port may assume one process or one machine, so every rule that must hold between
 * writers is an expectation on a record's revision, checked by the store inside the commit.
 */

/** Every record kind. The list is the schema: adding one is a migration in each engine. */
export const COLLECTIONS = [
  'meta',
  'rootKeys',
  'vaultKeys',
  'vaults',
  'vaultNames',
  'roleAssignments',
  'roleDefinitions',
  'tenants',
  'subscriptions',
  'applications',
  'users',
  'groups',
  'managedIdentities',
  'signingKeys',
  'serverCertificates',
  'secrets',
  'secretVersions',
  'deletedSecrets',
  'scheduledPurges',
  'jobLeases',
  'auditAnchors',
] as const

export type Collection = (typeof COLLECTIONS)[number]

export interface StoredRecord {
  readonly key: string
  /** Grows with every write anywhere in the store, so a record deleted and made again never has its old revision. */
  readonly revision: number
  readonly body: Uint8Array
}

/** A revision the record must have before the commit, that it must not exist, or that it does not matter. */
export type Expectation = number | 'absent' | 'any'

export interface Change {
  readonly collection: Collection
  /** At most MAX_KEY_BYTES of UTF-8. */
  readonly key: string
  readonly expect: Expectation
  /** The new bytes, null to delete, or 'keep' to check the expectation only. */
  readonly body: Uint8Array | null | 'keep'
}

export interface PageRequest {
  /** Only keys that start with this. */
  readonly prefix: string
  /** Only keys strictly after this one. */
  readonly after?: string
  /** Only keys at or after this one; used by next links, which name the first record of their page. */
  readonly from?: string
  readonly limit: number
}

export const MAX_KEY_BYTES = 1024

export interface Store {
  /** A name for logs and `doctor`: memory, sqlite. */
  readonly engine: string
  read(collection: Collection, key: string): Promise<StoredRecord | undefined>
  /** Ascending by the key's UTF-8 bytes. */
  page(collection: Collection, request: PageRequest): Promise<readonly StoredRecord[]>
  /**
   * Applies all changes or none, and answers only when they would survive a kill of the process and a power cut.
   * Throws StoreConflict when an expectation does not hold, StoreUnavailable when the store cannot say.
   */
  commit(changes: readonly Change[]): Promise<void>
  /**
   * A cheap hint for caches: while it answers the same number, nothing was committed by anyone. Engines that cannot tell
   * leave it out, and caches then read what they cache.
   */
  changeToken?(): number
  /** Writes a consistent copy of everything to a new file while the store is in use. */
  copyTo?(file: string, progress?: (done: number, total: number) => void): Promise<void>
  /**
   * Makes sure that deleted bytes are no longer in any file. Commits may wait meanwhile. Throws StoreUnavailable while
   * somebody still reads an older state; it may be repeated.
   */
  scrub?(): Promise<void>
  close(): Promise<void>
}

/** An expectation did not hold: somebody else was first. Reading again and deciding anew is safe. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
  readonly collection: Collection
  readonly key: string
  constructor(collection: Collection, key: string) {
    super(`the record ${collection} ${key} is not in the expected state`)
    this.collection = collection
    this.key = key
  }
}

/** The engine cannot answer now. Whether a commit was applied is unknown. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** The data was written by a newer program; running on would damage it. */
export class StoreTooNew extends Error {
  override readonly name = 'StoreTooNew'
}
