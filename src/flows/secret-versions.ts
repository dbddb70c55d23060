import type { SecretMeta, SecretVersionMeta } from '../domain/secrets/secret.ts'
import { nameKeyOf, type ObjectName, type ObjectVersion } from '../domain/vault-objects/names.ts'
import type { UnixSeconds } from '../domain/vault-objects/times.ts'
import { refuse } from '../errors/refusal.ts'
import type { SealedRecord } from '../sealing/sealed-store.ts'
import { readLiveSecret, type SecretPlace, secretVersionKey } from './secret-records.ts'

interface WantedVersion {
  readonly name: ObjectName
  /** As the request wrote it; refusals quote it. */
  readonly version: string | undefined
  readonly parsed: ObjectVersion | undefined
}

/**
 * One version of a live secret, and the secret's own record, which has to be unchanged when the version is written.
 * Refuses with SecretNotFound, also for text that can't be a version.
 */
export async function readSecretVersion(
  place: SecretPlace,
  { name, version, parsed }: WantedVersion,
  now: UnixSeconds,
  { withValue }: { readonly withValue: boolean },
): Promise<{ record: SealedRecord<SecretVersionMeta>; head: SealedRecord<SecretMeta> }> {
  const asked = version === undefined || version === '' ? name : `${name}/${version}`
  const head = await readLiveSecret(place, name, now, { withValue })
  if (head === undefined) throw refuse('SecretNotFound', { kind: 'secret', name: asked })
  if (asked === name || parsed === head.meta.version) return { record: head, head }
  const record =
    parsed === undefined
      ? undefined
      : await place.records.read<SecretVersionMeta>(
          'secretVersions',
          secretVersionKey(place.vaultId, nameKeyOf(name), parsed),
        )
  if (record === undefined) throw refuse('SecretNotFound', { kind: 'secret', name: asked })
  return { record, head }
}
