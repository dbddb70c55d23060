import { onSecret } from '../../domain/access/permission.ts'
import { MAX_BACKUP_VERSIONS, MAX_COMMIT_ATTEMPTS } from '../../domain/limits/limits.ts'
import { nameKeyOf, type ObjectName } from '../../domain/vault-objects/names.ts'
import type { UnixSeconds } from '../../domain/vault-objects/times.ts'
import { refuse } from '../../errors/refusal.ts'
import { readLiveSecret, readOlderVersions, type SecretPlace } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import type { SecretBackup } from './secret-backup.ts'
import { backupAnswer, nameParams, noQuery, requireName } from './secret-shapes.ts'

/** Answers all versions of a secret as a blob that only this installation can read. */
export const backupSecret = defineOperation({
  id: 'BackupSecret',
  summary: 'Backs up a secret with all its versions as a sealed blob.',
  hosts: ['vault'],
  method: 'POST',
  path: '/secrets/{name}/backup',
  since: '7.0',
  permission: onSecret('backup/action', { accessPolicy: 'backup' }),
  audit: { operationName: 'SecretBackup' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: noQuery,
  bodyFormat: 'none',
  answer: backupAnswer,
  refusals: ['InvalidName', 'SecretNotFound', 'BackupTooManyVersions', 'ConcurrentChange'],
  async handle({ records, vault, backups, now }, { params }) {
    const place = { records, vaultId: vault.vaultId }
    const name = requireName(params.name)
    const { head, older } = await readAllVersions(place, name, now())
    const { visibleFrom: _, ...current } = head.meta
    const content: SecretBackup = {
      current: { meta: current, value: head.openValue().reveal().toString('base64') },
      older: older.map((record) => ({ meta: record.meta, value: record.openValue().reveal().toString('base64') })),
    }
    return { value: await backups.seal('Secret', vault.subscriptionId, content) }
  },
})

/** Head and older versions of one moment: a set in between moves a version from the one to the others. */
async function readAllVersions(place: SecretPlace, name: ObjectName, at: UnixSeconds) {
  for (let attempt = 1; ; attempt++) {
    const head = await readLiveSecret(place, name, at)
    if (head === undefined) throw refuse('SecretNotFound', { kind: 'secret', name })
    const older = await readOlderVersions(place, nameKeyOf(name), MAX_BACKUP_VERSIONS)
    if (older.length + 1 > MAX_BACKUP_VERSIONS) {
      throw refuse('BackupTooManyVersions', { kind: 'secret', max: MAX_BACKUP_VERSIONS })
    }
    const headAfter = await readLiveSecret(place, name, at)
    if (headAfter?.revision === head.revision) return { head, older }
    if (attempt === MAX_COMMIT_ATTEMPTS) throw refuse('ConcurrentChange')
  }
}
