import { onSecret } from '../../domain/access/permission.ts'
import { MAX_BACKUP_VERSIONS } from '../../domain/limits/limits.ts'
import { nameKeyOf } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { readLiveSecret, readOlderVersions } from '../../flows/secret-records.ts'
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
  refusals: ['InvalidName', 'SecretNotFound', 'BackupTooManyVersions'],
  async handle({ records, vault, backups, now }, { params }) {
    const place = { records, vaultId: vault.vaultId }
    const name = requireName(params.name)
    const head = await readLiveSecret(place, name, now())
    if (head === undefined) throw refuse('SecretNotFound', { kind: 'secret', name })
    const older = await readOlderVersions(place, nameKeyOf(name), MAX_BACKUP_VERSIONS)
    if (older.length + 1 > MAX_BACKUP_VERSIONS) {
      throw refuse('BackupTooManyVersions', { kind: 'secret', max: MAX_BACKUP_VERSIONS })
    }
    const { visibleFrom: _, ...current } = head.meta
    const content: SecretBackup = {
      current: { meta: current, value: head.openValue().reveal().toString('base64') },
      older: older.map((record) => ({ meta: record.meta, value: record.openValue().reveal().toString('base64') })),
    }
    return { value: await backups.seal('Secret', vault.subscriptionId, content) }
  },
})
