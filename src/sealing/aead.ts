import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

/** AES-256-GCM with a 96-bit random nonce and a 128-bit tag (NIST SP 800-38D): nonce, ciphertext, tag. */
const ALGORITHM = 'aes-256-gcm'
export const NONCE_BYTES = 12
export const TAG_BYTES = 16

/** The bytes were not sealed by this key for this place, or were changed since. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'
}

export function sealBytes(key: KeyObject, nonce: Uint8Array, associated: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated)
  const body = cipher.update(plain)
  const rest = cipher.final()
  return Buffer.concat([nonce, body, rest, cipher.getAuthTag()])
}

export function openBytes(key: KeyObject, associated: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.byteLength < NONCE_BYTES + TAG_BYTES) throw new SealBroken('a sealed record is too short')
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG_BYTES))
  const body = decipher.update(sealed.subarray(NONCE_BYTES, sealed.byteLength - TAG_BYTES))
  try {
    const rest = decipher.final()
    return rest.byteLength === 0 ? body : Buffer.concat([body, rest])
  } catch (cause) {
    throw new SealBroken('a sealed record does not open: it was changed, moved or sealed by another key', { cause })
  }
}
