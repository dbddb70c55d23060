import Type from 'typebox'
import { onSecret } from '../../domain/access/permission.ts'
import { parseVersion } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { readSecretVersion } from '../../flows/secret-versions.ts'
import { defineOperation } from '../operation.ts'
import { requireName, secretBundle, toSecretBundle, versionParams } from './secret-shapes.ts'

/** Answers one version of a secret, its value included; without a version, the current one. */
export const getSecret = defineOperation({
  id: 'GetSecret',
  summary: 'Gets a version of a secret with its value; the current version when none is named.',
  hosts: ['vault'],
  method: 'GET',
  path: '/secrets/{name}/{version?}',
  since: '7.0',
  permission: onSecret('getSecret/action', { accessPolicy: 'get' }),
  audit: { operationName: 'SecretGet' },
  throttle: 'secretsAndVaults',
  params: versionParams,
  query: Type.Object({
    outContentType: Type.Optional(
      Type.String({ description: 'Form of the value of a certificate-backed secret; from api-version 2025-07-01 on' }),
    ),
  }),
  answer: secretBundle,
  refusals: ['InvalidName', 'SecretNotFound', 'SecretDisabled', 'ConversionNotSupported'],
  async handle(context, { params, query }) {
    const name = requireName(params.name)
    const { record } = await readSecretVersion(
      { records: context.records, vaultId: context.vault.vaultId },
      { name, version: params.version, parsed: parseVersion(params.version ?? '') },
      context.now(),
      { withValue: true },
    )
    if (!record.meta.attributes.enabled) throw refuse('SecretDisabled')
    if (query.outContentType !== undefined && !isStoredForm(record.meta, query.outContentType)) {
      throw refuse('ConversionNotSupported')
    }
    return toSecretBundle(context, record.meta, record.openValue())
  },
})

/** Only a certificate's secret has forms to convert between, and asking for the stored one is no conversion. */
function isStoredForm(meta: { managed?: boolean; contentType?: string }, outContentType: string): boolean {
  return meta.managed === true && meta.contentType?.toLowerCase() === outContentType.toLowerCase()
}
