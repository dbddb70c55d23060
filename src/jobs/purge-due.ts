import type { DeletedSecretMeta } from '../domain/secrets/secret.ts'
import { isPurgeDue } from '../domain/vault-objects/deletion.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import { type Vault, vaultScope } from '../domain/vaults/vault.ts'
import { PURGED_MARKS, purgeChanges, purgedMarkKey } from '../flows/secret-records.ts'
import { StoreConflict } from '../ports/store.ts'
import { SealBroken } from '../sealing/aead.ts'
import type { Job, JobContext } from './job.ts'

const SCHEDULED_PER_READ = 100
const MARKS_PER_SCRUB = 10_000

/** Purges deleted objects whose retention has ended. The schedule is sorted by time, so it reads only what is due. */
export function purgeDueJob(intervalMs: number): Job {
  return {
    name: 'purge-due',
    intervalMs,
    async run(context) {
      const broken: SealBroken[] = []
      for await (const key of dueKeys(context)) {
        try {
          await purge(context, key)
        } catch (error) {
          // One record that somebody changed must not keep all later ones from being purged.
          if (!(error instanceof SealBroken)) throw error
          broken.push(error)
        }
      }
      await scrubPurged(context)
      if (broken.length > 0) {
        throw new AggregateError(broken, 'deleted objects could not be purged: "keyhaven doctor" names them')
      }
    },
  }
}

async function* dueKeys({ store, clock }: JobContext): AsyncGenerator<string> {
  let after: string | undefined
  for (;;) {
    const page = await store.page('scheduledPurges', {
      prefix: '',
      limit: SCHEDULED_PER_READ,
      ...(after === undefined ? {} : { after }),
    })
    for (const { key } of page) {
      if (parseKey(key).at > unixSecondsOf(clock.nowMs())) return
      if (!key.startsWith(PURGED_MARKS)) yield key
    }
    after = page.at(-1)?.key
    if (after === undefined) return
  }
}

/**
 * Every purge, a client's too, leaves a mark in its commit. The marks go only once the files were scrubbed after them, so
 * neither a kill nor a scrub that could not be done lets purged bytes stay.
 */
async function scrubPurged({ store }: JobContext): Promise<void> {
  const marks = await store.page('scheduledPurges', { prefix: PURGED_MARKS, limit: MARKS_PER_SCRUB })
  if (marks.length === 0) return
  await store.scrub?.()
  for (const { key, revision } of marks) {
    try {
      await store.commit([{ collection: 'scheduledPurges', key, expect: revision, body: null }])
    } catch (error) {
      // Something was purged meanwhile; its mark is for the next time.
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

async function purge(context: JobContext, scheduleKey: string): Promise<void> {
  const { vaultId, name } = parseKey(scheduleKey)
  const vault = await context.installation.read<Vault>('vaults', vaultId)
  if (vault === undefined) return
  const records = context.recordsOf(vaultId)
  const deleted = await records.read<DeletedSecretMeta>('deletedSecrets', `${vaultId}/${name}`)
  // The schedule only says where to look; the deleted object's own sealed dates decide.
  const isDue = deleted !== undefined && isPurgeDue(deleted.meta.deletion, unixSecondsOf(context.clock.nowMs()))
  try {
    if (!isDue) {
      await records.commit([{ collection: 'scheduledPurges', key: scheduleKey, expect: 'any', meta: null }])
      return
    }
    await context.audit({
      operationName: 'SecretPurge',
      resourceId: vaultScope(vault.meta).toUpperCase(),
      id: `secrets/${deleted.meta.name}`,
    })
    await records.commit([
      ...(await purgeChanges({ records, vaultId }, deleted)),
      { collection: 'scheduledPurges', key: scheduleKey, expect: 'any', meta: null },
      { collection: 'scheduledPurges', key: purgedMarkKey(vaultId), expect: 'any', meta: {} },
    ])
  } catch (error) {
    // It was recovered or purged meanwhile.
    if (!(error instanceof StoreConflict)) throw error
  }
}

function parseKey(key: string): { at: number; vaultId: string; name: string } {
  const [at = '', vaultId = '', , name = ''] = key.split('/')
  return { at: Number(at), vaultId, name }
}
