import { onSecret } from '../../domain/access/permission.ts'
import type { SecretVersionMeta } from '../../domain/secrets/secret.ts'
import { nameKeyOf, parseVersion } from '../../domain/vault-objects/names.ts'
import { readLiveSecret, secretKey } from '../../flows/secret-records.ts'
import { defineOperation } from '../operation.ts'
import { linkTo, markerOf, pageSizeOf } from './page.ts'
import { nameParams, pageOf, pageQuery, requireName, secretItem, toSecretVersionItem } from './secret-shapes.ts'

/** Lists the versions of a secret by version id, so not by age (observed); none for a secret that does not exist. */
export const getSecretVersions = defineOperation({
  id: 'GetSecretVersions',
  summary: 'Lists all versions of a secret: identifiers, attributes and tags, without values.',
  hosts: ['vault'],
  method: 'GET',
  path: '/secrets/{name}/versions',
  since: '7.0',
  permission: onSecret('readMetadata/action', { accessPolicy: 'list' }),
  audit: { operationName: 'SecretListVersions' },
  throttle: 'secretsAndVaults',
  params: nameParams,
  query: pageQuery,
  answer: pageOf(secretItem),
  refusals: ['InvalidName', 'InvalidQuery'],
  async handle(context, { params, query }) {
    const { records, vault } = context
    const name = requireName(params.name)
    const head = await readLiveSecret({ records, vaultId: vault.vaultId }, name, context.now())
    if (head === undefined) return { value: [], nextLink: null }
    const size = pageSizeOf(query)
    const from = parseVersion(markerOf(query, nameKeyOf(name)) ?? '')
    const prefix = `${secretKey(vault.vaultId, nameKeyOf(name))}/`
    const older = await records.page<SecretVersionMeta>('secretVersions', {
      prefix,
      limit: size + 1,
      ...(from === undefined ? {} : { from: prefix + from }),
    })
    // The current version has its place among the older ones; reading one more than asked for leaves room to see the
    // next. A set since the first read has put it among the older ones already: then it counts once.
    const versions: SecretVersionMeta[] = older.map(({ meta }) => meta)
    const isAmongOlder = versions.some(({ version }) => version === head.meta.version)
    if (!isAmongOlder && (from === undefined || head.meta.version >= from)) versions.push(head.meta)
    versions.sort((a, b) => (a.version < b.version ? -1 : 1))
    const further = versions[size]
    return {
      value: versions.slice(0, size).map((meta) => toSecretVersionItem(context, meta)),
      nextLink: further === undefined ? null : linkTo(context, `${nameKeyOf(name)}/${further.version}`),
    }
  },
})
