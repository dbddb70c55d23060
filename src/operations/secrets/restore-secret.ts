import { onSecrets } from '../../domain/access/permission.ts'
import { MAX_RESTORE_BODY_BYTES } from '../../domain/limits/limits.ts'
import { nameKeyOf } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { secretKey, secretVersionKey } from '../../flows/secret-records.ts'
import { StoreConflict } from '../../ports/store.ts'
import { SecretBytes } from '../../sealing/secret-bytes.ts'
import { defineOperation } from '../operation.ts'
import type { SecretBackup } from './secret-backup.ts'
import { noParams, noQuery, restoreBody, secretBundle, toSecretBundle } from './secret-shapes.ts'

/** Brings a backed-up secret back with ids, dates, tags and states of all versions; the name has to be free. */
export const restoreSecret = defineOperation({
  id: 'RestoreSecret',
  summary: 'Restores a backed-up secret with all its versions into this vault.',
  hosts: ['vault'],
  method: 'POST',
  path: '/secrets/restore',
  since: '7.0',
  permission: onSecrets('restore/action', { accessPolicy: 'restore' }),
  audit: { operationName: 'SecretRestore' },
  throttle: 'secretsAndVaults',
  maxBodyBytes: MAX_RESTORE_BODY_BYTES,
  params: noParams,
  query: noQuery,
  body: restoreBody,
  answer: secretBundle,
  refusals: ['InvalidProperty', 'BackupBlobCorrupt', 'BackupBlobInvalid', 'BackupBlobForeign', 'RestoreConflict'],
  async handle(context, { body }) {
    const { records, vault, backups } = context
    const { current, older } = (await backups.open('Secret', vault.subscriptionId, body.value)) as SecretBackup
    const name = nameKeyOf(current.meta.name)
    const key = secretKey(vault.vaultId, name)
    try {
      await records.commit([
        { collection: 'deletedSecrets', key, expect: 'absent', meta: 'keep' },
        { collection: 'secrets', key, expect: 'absent', meta: current.meta, value: bytesOf(current.value) },
        ...older.map(({ meta, value }) => ({
          collection: 'secretVersions' as const,
          key: secretVersionKey(vault.vaultId, name, meta.version),
          expect: 'absent' as const,
          meta,
          value: bytesOf(value),
        })),
      ])
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      const id = `${context.baseUrl}/secrets/${current.meta.name}/${current.meta.version}`
      throw refuse('RestoreConflict', { kind: 'secret', id }, error)
    }
    return toSecretBundle(context, current.meta)
  },
})

const bytesOf = (base64: string) => new SecretBytes(Buffer.from(base64, 'base64'))
