import { vaultText } from '../../domain/access/caller-text.ts'
import { onSecret } from '../../domain/access/permission.ts'
import { refuse } from '../../errors/refusal.ts'
import { decideAndCommit, purgeChanges, purgedMarkKey, readDeletedSecret } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { nameParams, noQuery, requireName } from './secret-shapes.ts'

/** Destroys a deleted secret with all its versions, for good. */
export const purgeDeletedSecret = defineOperation({
  id: 'PurgeDeletedSecret',
  summary: 'Purges a deleted secret: nothing of it can be recovered afterwards.',
  hosts: ['vault'],
  method: 'DELETE',
  path: '/deletedsecrets/{name}',
  since: '7.0',
  permission: onSecret('purge/action', { accessPolicy: 'purge' }),
  audit: { operationName: 'SecretPurge' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: noQuery,
  answer: undefined,
  status: 204,
  refusals: ['InvalidName', 'DeletedSecretNotFound', 'PurgeProtected', 'ConcurrentChange'],
  async handle(context, { params }) {
    const { records, vault } = context
    const place = { records, vaultId: vault.vaultId }
    const name = requireName(params.name)
    return decideAndCommit(records, async () => {
      const deleted = await readDeletedSecret(place, name)
      if (deleted === undefined) throw refuse('DeletedSecretNotFound', { name })
      if (vault.enablePurgeProtection) throw refuse('PurgeProtected', { kind: 'secret', vault: vaultText(vault) })
      return {
        changes: [
          ...(await purgeChanges(place, deleted)),
          {
            collection: 'scheduledPurges',
            key: purgedMarkKey(vault.vaultId),
            expect: 'any',
            meta: {},
          },
        ],
        answer: undefined,
      }
    })
  },
})
