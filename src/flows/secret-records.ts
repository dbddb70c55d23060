/**
 * How secrets lie in the store, for the operations and the purge job. Live secrets: `secrets/<vault>/<name>` with the
 * current version whole; `secretVersions/<vault>/<name>/<version>` with the older ones. Deleting moves the record to
 * `deletedSecrets` and leaves the older versions where they are, unreachable until recovered or purged.
 */

import { MAX_COMMIT_ATTEMPTS } from '../domain/limits/limits.ts'
import type { DeletedSecretMeta, SecretMeta, SecretVersionMeta } from '../domain/secrets/secret.ts'
import type { Deletion } from '../domain/vault-objects/deletion.ts'
import { type NameKey, nameKeyOf, type ObjectName, type ObjectVersion } from '../domain/vault-objects/names.ts'
import type { UnixSeconds } from '../domain/vault-objects/times.ts'
import { refuse } from '../errors/refusal.ts'
import { StoreConflict } from '../ports/store.ts'
import type { SealedChange, SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'

const VERSIONS_PER_READ = 500

export const secretKey = (vaultId: string, name: NameKey) => `${vaultId}/${name}`

export const secretVersionKey = (vaultId: string, name: NameKey, version: ObjectVersion) =>
  `${vaultId}/${name}/${version}`

/** Sorted by time, so the purge job reads from the front until it meets the future. */
export const scheduledPurgeKey = (deletion: Deletion, vaultId: string, name: NameKey) =>
  `${String(deletion.scheduledPurgeDate).padStart(12, '0')}/${vaultId}/secret/${name}`

/** Marks come before every date. */
export const PURGED_MARKS = `${'0'.repeat(12)}/`

/** Tells the purge job that something of this vault was purged, so that its bytes are scrubbed from the files. */
export const purgedMarkKey = (vaultId: string) => `${PURGED_MARKS}${vaultId}/purged/`

export interface SecretPlace {
  readonly records: SealedRecords
  readonly vaultId: string
}

/** The live secret, or undefined: missing, deleted, or still being recovered. */
export async function readLiveSecret(
  { records, vaultId }: SecretPlace,
  name: ObjectName,
  now: UnixSeconds,
  { withValue }: { readonly withValue: boolean } = { withValue: false },
): Promise<SealedRecord<SecretMeta> | undefined> {
  const key = secretKey(vaultId, nameKeyOf(name))
  const record = await (withValue
    ? records.readWithValue<SecretMeta>('secrets', key)
    : records.read<SecretMeta>('secrets', key))
  return record === undefined || isHidden(record.meta, now) ? undefined : record
}

export const isHidden = (meta: SecretMeta, now: UnixSeconds) => meta.visibleFrom !== undefined && now < meta.visibleFrom

export async function readDeletedSecret(
  { records, vaultId }: SecretPlace,
  name: ObjectName,
): Promise<SealedRecord<DeletedSecretMeta> | undefined> {
  return records.read<DeletedSecretMeta>('deletedSecrets', secretKey(vaultId, nameKeyOf(name)))
}

/** Every older version, ascending by version id. */
export async function readOlderVersions(
  { records, vaultId }: SecretPlace,
  name: NameKey,
  most = Number.POSITIVE_INFINITY,
): Promise<readonly SealedRecord<SecretVersionMeta>[]> {
  const versions: SealedRecord<SecretVersionMeta>[] = []
  let after: string | undefined
  while (versions.length < most) {
    const page = await records.page<SecretVersionMeta>('secretVersions', {
      prefix: `${secretKey(vaultId, name)}/`,
      limit: VERSIONS_PER_READ,
      ...(after === undefined ? {} : { after }),
    })
    versions.push(...page)
    after = page.at(-1)?.key
    if (page.length < VERSIONS_PER_READ) break
  }
  return versions
}

/** The changes that destroy a deleted secret with all its versions. */
export async function purgeChanges(
  place: SecretPlace,
  deleted: SealedRecord<DeletedSecretMeta>,
): Promise<readonly SealedChange[]> {
  const name = nameKeyOf(deleted.meta.name)
  const older = await readOlderVersions(place, name)
  return [
    { collection: 'deletedSecrets', key: deleted.key, expect: deleted.revision, meta: null },
    {
      collection: 'scheduledPurges',
      key: scheduledPurgeKey(deleted.meta.deletion, place.vaultId, name),
      expect: 'any',
      meta: null,
    },
    ...older.map(({ key }): SealedChange => ({ collection: 'secretVersions', key, expect: 'any', meta: null })),
  ]
}

/**
 * Decides on what is stored and commits; when somebody else was first, decides anew. `decide` may refuse, and must not
 * have effects of its own.
 */
export async function decideAndCommit<T>(
  records: SealedRecords,
  decide: (attempt: number) => Promise<{ readonly changes: readonly SealedChange[]; readonly answer: T }>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { changes, answer } = await decide(attempt)
      await records.commit(changes)
      return answer
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      if (attempt === MAX_COMMIT_ATTEMPTS) throw refuse('ConcurrentChange', undefined, error)
    }
  }
}
