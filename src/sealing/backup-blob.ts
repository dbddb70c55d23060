/**
 * Backup blobs of single objects: the service's envelope (recordings, observed section 12) around a compact JWE that
 * only this installation can open, base64url. The content names installation, subscription and kind, so a blob taken
 * elsewhere or changed on the way is refused before anything is read from it.
 */
import { CompactEncrypt, compactDecrypt } from 'jose'
import { refuse } from '../errors/refusal.ts'
import { isBase64Url } from '../formats/base64url.ts'
import type { Keyrings } from './keyrings.ts'

export interface BackupSealer {
  /** A blob in the service's envelope, base64url. */
  seal(kind: BackupKind, subscriptionId: string, content: object): Promise<string>
  /** Throws the catalogue's refusals for anything this installation did not make for this subscription. */
  open(kind: BackupKind, subscriptionId: string, blob: string): Promise<unknown>
}

export type BackupKind = 'Secret' | 'Key'

export const BACKUP_KEYRING = 'backup'

const ALGORITHM = 'A256KW'
const ENCRYPTION = 'A256CBC-HS512'

interface Content {
  readonly format: 1
  readonly installationId: string
  readonly subscriptionId: string
  readonly kind: BackupKind
  readonly content: unknown
}

export function backupSealer(keyrings: Keyrings): BackupSealer {
  return {
    async seal(kind, subscriptionId, content) {
      const { current } = await keyrings.ensure(BACKUP_KEYRING)
      const plain: Content = {
        format: 1,
        installationId: keyrings.installationId,
        subscriptionId: subscriptionId.toLowerCase(),
        kind,
        content,
      }
      const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(plain)))
        .setProtectedHeader({ kid: current.keyId, alg: ALGORITHM, enc: ENCRYPTION })
        .encrypt(current.key)
      const label = labelOf(kind)
      return Buffer.concat([Buffer.from([label.length]), Buffer.from(label + jwe, 'latin1')]).toString('base64url')
    },
    async open(kind, subscriptionId, blob) {
      if (!isBase64Url(blob) || !isCanonical(blob)) throw refuse('BackupBlobInvalid')
      const bytes = Buffer.from(blob, 'base64url')
      const label = labelOf(kind)
      if (bytes[0] !== label.length || bytes.toString('latin1', 1, 1 + label.length) !== label) {
        throw refuse('BackupBlobInvalid')
      }
      const keyring = await keyrings.ensure(BACKUP_KEYRING)
      let content: Content
      try {
        const jwe = bytes.toString('latin1', 1 + label.length)
        if (!jwe.split('.').every(isCanonical))
          throw new Error('a part of it has another spelling than it was sealed with')
        const { plaintext } = await compactDecrypt(
          jwe,
          (header) => {
            for (const key of keyring.keys.values()) if (key.keyId === header.kid) return key.key
            throw new Error('sealed by a key this installation does not have')
          },
          { keyManagementAlgorithms: [ALGORITHM], contentEncryptionAlgorithms: [ENCRYPTION] },
        )
        content = JSON.parse(Buffer.from(plaintext).toString('utf8')) as Content
      } catch (cause) {
        throw refuse('BackupBlobCorrupt', undefined, cause)
      }
      const isOurs =
        content.format === 1 &&
        content.kind === kind &&
        content.installationId === keyrings.installationId &&
        content.subscriptionId === subscriptionId.toLowerCase()
      if (!isOurs) throw refuse('BackupBlobForeign')
      return content.content
    },
  }
}

/**
 * The last character of base64url may hold bits that belong to no byte. Unless they have to be zero, a changed blob could
 * still be read as the old one.
 */
function isCanonical(base64Url: string): boolean {
  const last = base64Url.at(-1) ?? ''
  switch (base64Url.length % 4) {
    case 2:
      return 'AQgw'.includes(last)
    case 3:
      return 'AEIMQUYcgkosw048'.includes(last)
    default:
      return true
  }
}

const labelOf = (kind: BackupKind) => `AzureKeyVault${kind}BackupV1.microsoft.com`
