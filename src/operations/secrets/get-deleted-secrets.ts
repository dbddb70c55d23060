import { onSecrets } from '../../domain/access/permission.ts'
import type { DeletedSecretMeta } from '../../domain/secrets/secret.ts'
import { isBeingDeleted } from '../../domain/vault-objects/deletion.ts'
import { defineOperation } from '../operation.ts'
import { readPage } from './page.ts'
import { deletedSecretItem, noParams, pageOf, pageQuery, toDeletedSecretItem } from './secret-shapes.ts'

/** Lists the deleted secrets of a vault by name. */
export const getDeletedSecrets = defineOperation({
  id: 'GetDeletedSecrets',
  summary: 'Lists the deleted secrets of the vault that can still be recovered.',
  hosts: ['vault'],
  method: 'GET',
  path: '/deletedsecrets',
  since: '7.0',
  permission: onSecrets('readMetadata/action', { accessPolicy: 'list' }),
  audit: { operationName: 'SecretListDeleted' },
  throttle: 'secretsAndVaults',
  params: noParams,
  query: pageQuery,
  answer: pageOf(deletedSecretItem),
  refusals: ['InvalidQuery'],
  async handle(context, { query }) {
    const { items, nextLink } = await readPage<DeletedSecretMeta>(context, 'deletedSecrets', query)
    const at = context.now()
    const visible = items.filter(({ deletion }) => !isBeingDeleted(deletion, at))
    return { value: visible.map((meta) => toDeletedSecretItem(context, meta)), nextLink }
  },
})
