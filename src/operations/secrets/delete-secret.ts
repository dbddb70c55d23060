import { onSecret } from '../../domain/access/permission.ts'
import type { DeletedSecretMeta } from '../../domain/secrets/secret.ts'
import { newDeletion } from '../../domain/vault-objects/deletion.ts'
import { nameKeyOf } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { decideAndCommit, readLiveSecret, scheduledPurgeKey } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { deletedSecretBundle, nameParams, noQuery, requireName, toDeletedSecretBundle } from './secret-shapes.ts'

/** Deletes a secret with all its versions, recoverable until its scheduled purge. */
export const deleteSecret = defineOperation({
  id: 'DeleteSecret',
  summary: 'Deletes a secret with all its versions; it can be recovered until its scheduled purge.',
  hosts: ['vault'],
  method: 'DELETE',
  path: '/secrets/{name}',
  since: '7.0',
  permission: onSecret('delete', { accessPolicy: 'delete' }),
  audit: { operationName: 'SecretDelete' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: noQuery,
  answer: deletedSecretBundle,
  refusals: ['InvalidName', 'SecretNotFound', 'ManagedObjectIsReadOnly', 'ConcurrentChange'],
  async handle(context, { params }) {
    const { records, vault } = context
    const name = requireName(params.name)
    return decideAndCommit(records, async () => {
      const at = context.now()
      const secret = await readLiveSecret({ records, vaultId: vault.vaultId }, name, at)
      if (secret === undefined) throw refuse('SecretNotFound', { kind: 'secret', name })
      if (secret.meta.managed) throw refuse('ManagedObjectIsReadOnly', { kind: 'secret', name })
      const { visibleFrom: _, ...version } = secret.meta
      const deletion = newDeletion(at, vault.softDeleteRetentionInDays, context.softDeleteLatencySeconds)
      const meta: DeletedSecretMeta = { ...version, deletion }
      return {
        changes: [
          { collection: 'secrets', key: secret.key, expect: secret.revision, meta: null },
          { collection: 'deletedSecrets', key: secret.key, expect: 'absent', meta, value: secret.openValue() },
          {
            collection: 'scheduledPurges',
            key: scheduledPurgeKey(deletion, vault.vaultId, nameKeyOf(name)),
            expect: 'any',
            meta: {},
          },
        ],
        answer: toDeletedSecretBundle(context, meta),
      }
    })
  },
})
