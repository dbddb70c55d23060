/** Opens every record of an installation, for `keyhaven doctor` and for re-sealing under new keys. */
import { COLLECTIONS, type Collection, type Store, StoreConflict, type StoredRecord } from '../ports/store.ts'
import type { Keyrings } from '../sealing/keyrings.ts'
import { generationOf } from '../sealing/sealed-records.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from '../sealing/sealed-store.ts'

/** Collections whose records belong to a vault; the vault's id is the first part of the key, or the second. */
const VAULT_COLLECTIONS: ReadonlyMap<Collection, number> = new Map<Collection, number>([
  ['secrets', 0],
  ['secretVersions', 0],
  ['deletedSecrets', 0],
  ['scheduledPurges', 1],
])

/** Records that are not sealed as records are: keys, which are wrapped, and marks without content. */
const RAW_COLLECTIONS: ReadonlySet<Collection> = new Set<Collection>(['rootKeys', 'vaultKeys'])
const RAW_META = new Set(['installation', 'directory', 'passphraseSalt'])

const RECORDS_PER_READ = 200

export interface RecordWalk {
  readonly store: Store
  readonly installation: SealedRecords
  recordsOf(vaultId: string): SealedRecords
}

export interface RecordProblem {
  readonly collection: Collection
  readonly key: string
  readonly problem: string
}

function keyringOf(collection: Collection, key: string): string | undefined {
  if (RAW_COLLECTIONS.has(collection) || (collection === 'meta' && RAW_META.has(key))) return undefined
  const part = VAULT_COLLECTIONS.get(collection)
  return part === undefined ? INSTALLATION_KEYRING : key.split('/')[part]
}

async function* everyRecord(store: Store): AsyncGenerator<{ collection: Collection; record: StoredRecord }> {
  for (const collection of COLLECTIONS) {
    let after: string | undefined
    for (;;) {
      const page = await store.page(collection, {
        prefix: '',
        limit: RECORDS_PER_READ,
        ...(after === undefined ? {} : { after }),
      })
      for (const record of page) yield { collection, record }
      after = page.at(-1)?.key
      if (after === undefined) break
    }
  }
}

/** Opens meta data and value of every sealed record, and every key; answers what does not open. */
export async function checkRecords(
  walk: RecordWalk,
  keyrings: Keyrings,
  progress: (done: number) => void,
): Promise<{ readonly checked: number; readonly problems: readonly RecordProblem[] }> {
  const problems: RecordProblem[] = []
  let checked = 0
  for await (const { collection, record } of everyRecord(walk.store)) {
    const keyring = keyringOf(collection, record.key)
    try {
      if (collection === 'rootKeys') await keyrings.checkRootKey(record.key)
      if (collection === 'vaultKeys' && !record.key.includes('/')) await keyrings.reload(record.key)
      if (keyring !== undefined) {
        const opened = await recordsUnder(walk, keyring).read(collection, record.key)
        if (opened?.hasValue === true) opened.openValue().destroy()
      }
    } catch (error) {
      problems.push({
        collection,
        key: record.key,
        problem: error instanceof Error ? error.message : 'does not open',
      })
    }
    progress(++checked)
  }
  return { checked, problems }
}

/**
 * Seals every record of a keyring anew that a key older than this generation sealed. Records that change meanwhile are
 * sealed by the new key anyway. Answers how many still need the older keys: 0 means that those can be dropped.
 */
export async function resealRecords(
  walk: RecordWalk,
  keyring: string,
  generation: number,
  progress: (done: number) => void,
): Promise<number> {
  let done = 0
  let left = 0
  for await (const { collection, record } of everyRecord(walk.store)) {
    if (keyringOf(collection, record.key) !== keyring || generationOf(record) >= generation) continue
    const records = recordsUnder(walk, keyring)
    const opened = await records.read<object>(collection, record.key)
    if (opened === undefined) continue
    try {
      await records.commit([
        {
          collection,
          key: record.key,
          expect: opened.revision,
          meta: opened.meta,
          ...(opened.hasValue ? { value: opened.openValue() } : {}),
        },
      ])
      progress(++done)
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      left++
    }
  }
  return left
}

function recordsUnder(walk: RecordWalk, keyring: string): SealedRecords {
  return keyring === INSTALLATION_KEYRING ? walk.installation : walk.recordsOf(keyring)
}
