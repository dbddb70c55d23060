import { onSecret } from '../../domain/access/permission.ts'
import { isBeingDeleted } from '../../domain/vault-objects/deletion.ts'
import { refuse } from '../../errors/refusal.ts'
import { readDeletedSecret } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { deletedSecretBundle, nameParams, noQuery, requireName, toDeletedSecretBundle } from './secret-shapes.ts'

/** Answers what is known of a deleted secret, without its value. */
export const getDeletedSecret = defineOperation({
  id: 'GetDeletedSecret',
  summary: 'Gets a deleted secret: attributes and when it will be purged.',
  hosts: ['vault'],
  method: 'GET',
  path: '/deletedsecrets/{name}',
  since: '7.0',
  permission: onSecret('readMetadata/action', { accessPolicy: 'get' }),
  audit: { operationName: 'SecretGetDeleted' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: noQuery,
  answer: deletedSecretBundle,
  refusals: ['InvalidName', 'DeletedSecretNotFound', 'SecretDisabled'],
  async handle(context, { params }) {
    const name = requireName(params.name)
    const deleted = await readDeletedSecret({ records: context.records, vaultId: context.vault.vaultId }, name)
    if (deleted === undefined || isBeingDeleted(deleted.meta.deletion, context.now())) {
      throw refuse('DeletedSecretNotFound', { name })
    }
    // The service refuses this too (reference: secrets, section 5).
    if (!deleted.meta.attributes.enabled) throw refuse('SecretDisabled')
    return toDeletedSecretBundle(context, deleted.meta)
  },
})
