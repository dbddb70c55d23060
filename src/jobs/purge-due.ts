import type { DeletedSecretMeta } from '../domain/secrets/secret.ts'
import { isPurgeDue } from '../domain/vault-objects/deletion.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import { type Vault, vaultScope } from '../domain/vaults/vault.ts'
import { purgeChanges } from '../flows/secret-records.ts'
import { StoreConflict } from '../ports/store.ts'
import type { Job, JobContext } from './job.ts'

const SCHEDULED_PER_READ = 100

/** Purges deleted objects whose retention has ended. The schedule is sorted by time, so it reads only what is due. */
export function purgeDueJob(intervalMs: number): Job {
  return {
    name: 'purge-due',
    intervalMs,
    async run(context) {
      let purged = 0
      let after: string | undefined
      for (;;) {
        const page = await context.store.page('scheduledPurges', {
          prefix: '',
          limit: SCHEDULED_PER_READ,
          ...(after === undefined ? {} : { after }),
        })
        for (const { key } of page) {
          const { at, vaultId, kind, name } = parseKey(key)
          if (at > unixSecondsOf(context.clock.nowMs())) {
            if (purged > 0) await context.store.scrub?.()
            return
          }
          if (kind === 'purged' ? await forgetMark(context, key, vaultId) : await purge(context, key, vaultId, name))
            purged++
        }
        after = page.at(-1)?.key
        if (after === undefined) break
      }
      if (purged > 0) await context.store.scrub?.()
    },
  }
}

/** A client's purge is done already; what is left to do is the scrubbing that follows. */
async function forgetMark(context: JobContext, key: string, vaultId: string): Promise<boolean> {
  await context.recordsOf(vaultId).commit([{ collection: 'scheduledPurges', key, expect: 'any', meta: null }])
  return true
}

async function purge(context: JobContext, scheduleKey: string, vaultId: string, name: string): Promise<boolean> {
  const vault = await context.installation.read<Vault>('vaults', vaultId)
  if (vault === undefined) return false
  const records = context.recordsOf(vaultId)
  const deleted = await records.read<DeletedSecretMeta>('deletedSecrets', `${vaultId}/${name}`)
  // The schedule only says where to look; the deleted object's own sealed dates decide.
  const isDue = deleted !== undefined && isPurgeDue(deleted.meta.deletion, unixSecondsOf(context.clock.nowMs()))
  try {
    if (!isDue) {
      await records.commit([{ collection: 'scheduledPurges', key: scheduleKey, expect: 'any', meta: null }])
      return false
    }
    await context.audit({
      operationName: 'SecretPurge',
      resourceId: vaultScope(vault.meta).toUpperCase(),
      id: `secrets/${deleted.meta.name}`,
    })
    await records.commit([
      ...(await purgeChanges({ records, vaultId }, deleted)),
      { collection: 'scheduledPurges', key: scheduleKey, expect: 'any', meta: null },
    ])
    return true
  } catch (error) {
    if (error instanceof StoreConflict) return false
    throw error
  }
}

function parseKey(key: string): { at: number; vaultId: string; kind: string; name: string } {
  const [at = '', vaultId = '', kind = '', name = ''] = key.split('/')
  return { at: Number(at), vaultId, kind, name }
}
