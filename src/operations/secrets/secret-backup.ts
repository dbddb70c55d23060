import type { SecretVersionMeta } from '../../domain/secrets/secret.ts'

/** Content of a secret's backup blob; it is only ever written sealed. */
export interface SecretBackup {
  readonly current: BackedUpVersion
  readonly older: readonly BackedUpVersion[]
}

interface BackedUpVersion {
  readonly meta: SecretVersionMeta
  /** Base64. */
  readonly value: string
}
