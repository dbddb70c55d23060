import { createHash, type KeyObject } from 'node:crypto'
import type { Random } from '../../ports/random.ts'
import { type RootKeyProvider, RootKeyRefused } from '../../ports/root-key.ts'
import { NONCE_BYTES, openBytes, sealBytes } from '../../sealing/aead.ts'

/** A provider whose wrapping key is in this process's memory. */
export function localKeyProvider(kind: string, key: KeyObject, random: Random): RootKeyProvider {
  const keyId = createHash('sha256').update('keyhaven fingerprint').update(key.export()).digest('hex').slice(0, 16)
  return {
    kind,
    keyId,
    async wrap(plain, context) {
      return sealBytes(key, random.bytes(NONCE_BYTES), Buffer.from(context), plain)
    },
    async unwrap(wrapped, context) {
      try {
        return openBytes(key, Buffer.from(context), wrapped)
      } catch (cause) {
        throw new RootKeyRefused(`the ${kind} root key is not the one that sealed this data`, { cause })
      }
    },
    async close() {
      // Nothing is held but a KeyObject, which the runtime clears with the last reference.
    },
  }
}
