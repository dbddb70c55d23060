import { onSecret } from '../../domain/access/permission.ts'
import { keepsLimits, updatedSecretVersion } from '../../domain/secrets/secret.ts'
import { parseVersion } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { decideAndCommit } from '../../flows/secret-records.ts'
import { readSecretVersion } from '../../flows/secret-versions.ts'
import { defineOperation } from '../operation.ts'
import { noQuery, requireName, secretBundle, toSecretBundle, updateSecretBody, versionParams } from './secret-shapes.ts'

/** Changes attributes, content type or tags of one version, never its value. May be repeated. */
export const updateSecret = defineOperation({
  id: 'UpdateSecret',
  summary: 'Updates attributes, content type and tags of a version; members left out stay as they are.',
  hosts: ['vault'],
  method: 'PATCH',
  path: '/secrets/{name}/{version?}',
  since: '7.0',
  permission: onSecret('update/action', { accessPolicy: 'set' }),
  audit: { operationName: 'SecretUpdate' },
  throttle: 'secretsAndVaults',
  params: versionParams,
  query: noQuery,
  body: updateSecretBody,
  answer: secretBundle,
  refusals: ['InvalidName', 'InvalidProperty', 'SecretNotFound', 'ManagedObjectIsReadOnly', 'ConcurrentChange'],
  async handle(context, { params, body }) {
    const name = requireName(params.name)
    if (!keepsLimits(body)) throw refuse('InvalidProperty')
    const place = { records: context.records, vaultId: context.vault.vaultId }
    return decideAndCommit(context.records, async () => {
      const wanted = { name, version: params.version, parsed: parseVersion(params.version ?? '') }
      const { record, head } = await readSecretVersion(place, wanted, context.now(), { withValue: true })
      if (record.meta.managed) throw refuse('ManagedObjectIsReadOnly', { kind: 'secret', name })
      const meta = updatedSecretVersion(record.meta, body, context.now())
      const value = record.openValue()
      const answer = toSecretBundle(context, meta)
      if (record === head) {
        return { changes: [{ collection: 'secrets', key: head.key, expect: head.revision, meta, value }], answer }
      }
      return {
        changes: [
          { collection: 'secrets', key: head.key, expect: head.revision, meta: 'keep' },
          { collection: 'secretVersions', key: record.key, expect: record.revision, meta, value },
        ],
        answer,
      }
    })
  },
})
