import { onSecret } from '../../domain/access/permission.ts'
import type { SecretMeta } from '../../domain/secrets/secret.ts'
import { isBeingDeleted } from '../../domain/vault-objects/deletion.ts'
import { nameKeyOf, type ObjectName } from '../../domain/vault-objects/names.ts'
import type { UnixSeconds } from '../../domain/vault-objects/times.ts'
import { refuse } from '../../errors/refusal.ts'
import {
  decideAndCommit,
  isHidden,
  readDeletedSecret,
  type SecretPlace,
  scheduledPurgeKey,
  secretKey,
} from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { nameParams, noQuery, requireName, secretBundle, toSecretBundle } from './secret-shapes.ts'

/** Brings a deleted secret back with all its versions, ids, dates and states unchanged. */
export const recoverDeletedSecret = defineOperation({
  id: 'RecoverDeletedSecret',
  summary: 'Recovers a deleted secret with all its versions.',
  hosts: ['vault'],
  method: 'POST',
  path: '/deletedsecrets/{name}/recover',
  since: '7.0',
  permission: onSecret('recover/action', { accessPolicy: 'recover' }),
  audit: { operationName: 'SecretRecover' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: noQuery,
  bodyFormat: 'none',
  answer: secretBundle,
  refusals: ['InvalidName', 'DeletedSecretNotFound', 'ObjectIsNotDeleted', 'ObjectIsBeingDeleted', 'ConcurrentChange'],
  async handle(context, { params }) {
    const { records, vault } = context
    const place = { records, vaultId: vault.vaultId }
    const name = requireName(params.name)
    return decideAndCommit(records, async () => {
      const at = context.now()
      const deleted = await findDeleted(place, name, at)
      const { deletion, ...version } = deleted.meta
      if (isBeingDeleted(deletion, at)) throw refuse('ObjectIsBeingDeleted', { kind: 'secret', name })
      const latency = context.softDeleteLatencySeconds
      const meta: SecretMeta = latency === 0 ? version : { ...version, visibleFrom: (at + latency) as UnixSeconds }
      return {
        changes: [
          { collection: 'deletedSecrets', key: deleted.key, expect: deleted.revision, meta: null },
          {
            collection: 'scheduledPurges',
            key: scheduledPurgeKey(deletion, vault.vaultId, nameKeyOf(name)),
            expect: 'any',
            meta: null,
          },
          { collection: 'secrets', key: deleted.key, expect: 'absent', meta, value: deleted.openValue() },
        ],
        answer: toSecretBundle(context, meta),
      }
    })
  },
})

/** Refuses a secret that is live, or that there is not. */
async function findDeleted(place: SecretPlace, name: ObjectName, at: UnixSeconds) {
  const deleted = await readDeletedSecret(place, name)
  if (deleted !== undefined) return deleted
  const key = secretKey(place.vaultId, nameKeyOf(name))
  const current = await place.records.read<SecretMeta>('secrets', key)
  if (current !== undefined && !isHidden(current.meta, at)) throw refuse('ObjectIsNotDeleted', { kind: 'secret', name })
  // Two looks are not one moment: a conflict says that it was deleted or recovered in between, and all is decided anew.
  await place.records.commit([
    { collection: 'deletedSecrets', key, expect: 'absent', meta: 'keep' },
    { collection: 'secrets', key, expect: current?.revision ?? 'absent', meta: 'keep' },
  ])
  throw refuse('DeletedSecretNotFound', { name })
}
