import { onSecret } from '../../domain/access/permission.ts'
import type { SecretMeta } from '../../domain/secrets/secret.ts'
import { isValueTooLong, keepsLimits, newSecretVersion } from '../../domain/secrets/secret.ts'
import { isBeingDeleted } from '../../domain/vault-objects/deletion.ts'
import { nameKeyOf, versionFrom } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import {
  decideAndCommit,
  isHidden,
  readDeletedSecret,
  secretKey,
  secretVersionKey,
} from '../../flows/secret-records.ts'
import { SecretBytes } from '../../sealing/secret-bytes.ts'
import { defineOperation } from '../operation.ts'
import { nameParams, noQuery, requireName, secretBundle, setSecretBody, toSecretBundle } from './secret-shapes.ts'

/** Makes a new version of a secret, and the secret if there is none. Repeating it makes another version. */
export const setSecret = defineOperation({
  id: 'SetSecret',
  summary: 'Sets a secret: makes a new version, and the secret itself if the name is free.',
  hosts: ['vault'],
  method: 'PUT',
  path: '/secrets/{name}',
  since: '7.0',
  permission: onSecret('setSecret/action', { accessPolicy: 'set' }),
  audit: { operationName: 'SecretSet' },
  throttle: 'secretCreate',
  params: nameParams,
  query: noQuery,
  body: setSecretBody,
  answer: secretBundle,
  refusals: [
    'InvalidName',
    'InvalidProperty',
    'ObjectIsDeletedButRecoverable',
    'ObjectIsBeingDeletedOnCreate',
    'ObjectIsBeingRecovered',
    'ManagedObjectIsReadOnly',
    'ConcurrentChange',
  ],
  async handle(context, { params, body }) {
    const { records, vault, now, random } = context
    const name = requireName(params.name)
    const value = SecretBytes.fromText(body.value)
    if (isValueTooLong(value.byteLength) || !keepsLimits(body)) throw refuse('InvalidProperty')
    const key = secretKey(vault.vaultId, nameKeyOf(name))
    return decideAndCommit(records, async (attempt) => {
      const at = now()
      const version = versionFrom(random.bytes(16))
      const current = await records.readWithValue<SecretMeta>('secrets', key)
      if (current === undefined) {
        // The commit finds out whether there is a deleted one; only then it is worth a look.
        const deleted = attempt === 1 ? undefined : await readDeletedSecret({ records, vaultId: vault.vaultId }, name)
        if (deleted !== undefined) {
          const refusal = isBeingDeleted(deleted.meta.deletion, at)
            ? 'ObjectIsBeingDeletedOnCreate'
            : 'ObjectIsDeletedButRecoverable'
          throw refuse(refusal, { kind: 'secret', name })
        }
        const meta = newSecretVersion(name, version, body, at)
        return {
          changes: [
            { collection: 'deletedSecrets', key, expect: 'absent', meta: 'keep' },
            { collection: 'secrets', key, expect: 'absent', meta, value },
          ],
          answer: toSecretBundle(context, meta, value),
        }
      }
      if (isHidden(current.meta, at)) throw refuse('ObjectIsBeingRecovered', { kind: 'secret', name })
      if (current.meta.managed) throw refuse('ManagedObjectIsReadOnly', { kind: 'secret', name })
      const { visibleFrom: _, ...older } = current.meta
      const meta = newSecretVersion(current.meta.name, version, body, at)
      return {
        changes: [
          {
            collection: 'secretVersions',
            key: secretVersionKey(vault.vaultId, nameKeyOf(name), older.version),
            expect: 'absent',
            meta: older,
            value: current.openValue(),
          },
          { collection: 'secrets', key, expect: current.revision, meta, value },
        ],
        answer: toSecretBundle(context, meta, value),
      }
    })
  },
})
