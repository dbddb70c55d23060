/** The key of the audit chain and its anchors, kept sealed beside everything else. */
import type { AuditAnchor, AuditAnchorReader, AuditAnchors } from '../domain/audit/audit-anchors.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict } from '../ports/store.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'

const AUDIT_KEY = 'auditKey'
const AUDIT_KEY_BYTES = 32

/** The installation's audit key, made on first use; safe when several processes do it at once. */
export async function openAuditKey(installation: SealedRecords, random: Random): Promise<SecretBytes> {
  const existing = await installation.read('meta', AUDIT_KEY)
  if (existing !== undefined) return existing.openValue()
  const value = new SecretBytes(random.bytes(AUDIT_KEY_BYTES))
  try {
    await installation.commit([{ collection: 'meta', key: AUDIT_KEY, expect: 'absent', meta: {}, value }])
    return value
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
    return openAuditKey(installation, random)
  }
}

export function sealedAnchors(installation: SealedRecords): AuditAnchors & AuditAnchorReader {
  return {
    async read(stream) {
      return (await installation.read<AuditAnchor>('auditAnchors', stream))?.meta
    },
    async write(stream, anchor) {
      await installation.commit([{ collection: 'auditAnchors', key: stream, expect: 'any', meta: anchor }])
    },
    async streams() {
      return (await installation.page('auditAnchors', { prefix: '', limit: 10_000 })).map(({ key }) => key)
    },
  }
}
