import { onSecrets } from '../../domain/access/permission.ts'
import type { SecretMeta } from '../../domain/secrets/secret.ts'
import { isHidden } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { readPage } from './page.ts'
import { noParams, pageOf, pageQuery, secretItem, toSecretItem } from './secret-shapes.ts'

/** Lists the secrets of a vault by name, without values. */
export const getSecrets = defineOperation({
  id: 'GetSecrets',
  summary: 'Lists the secrets of the vault: identifiers, attributes and tags of the current versions.',
  hosts: ['vault'],
  method: 'GET',
  path: '/secrets',
  since: '7.0',
  permission: onSecrets('readMetadata/action', { accessPolicy: 'list' }),
  audit: { operationName: 'SecretList' },
  throttle: 'secretsAndVaults',
  params: noParams,
  query: pageQuery,
  answer: pageOf(secretItem),
  refusals: ['InvalidQuery'],
  async handle(context, { query }) {
    const { items, nextLink } = await readPage<SecretMeta>(context, 'secrets', query)
    const at = context.now()
    return { value: items.filter((meta) => !isHidden(meta, at)).map((meta) => toSecretItem(context, meta)), nextLink }
  },
})
