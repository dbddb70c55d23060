/** Reads a JWK set (RFC 7517) of an outside issuer into keys that may verify signatures, and nothing else. */
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { algorithmsOf, type SignatureAlgorithm, type VerificationKey } from '../../../domain/identity/signed-token.ts'
import type { KeyLookup } from '../../../ports/issuer-keys.ts'
import { MAX_KEYS_PER_ISSUER } from './settings.ts'

interface KeySetEntry {
  readonly found: KeyLookup & { kind: 'found' }
  /** Tells whether a later set has the very same key. */
  readonly fingerprint: string
}

export type KeySet = ReadonlyMap<string, KeySetEntry>

/**
 * Keys for encryption, symmetric keys, weak keys and keys without a name are left out. Keys that were in `previous` stay
 * the same objects. Throws when the document is not a JWK set at all.
 */
export function readKeySet(document: unknown, previous: KeySet | undefined): KeySet {
  const listed = isObject(document) ? document.keys : undefined
  if (!Array.isArray(listed)) throw new Error('the document is not a JWK set')
  if (listed.length > MAX_KEYS_PER_ISSUER) throw new Error(`the JWK set has more than ${MAX_KEYS_PER_ISSUER} keys`)
  const keys = new Map<string, KeySetEntry>()
  for (const jwk of listed) {
    const read = isObject(jwk) ? readKey(jwk) : undefined
    if (read === undefined || keys.has(read.found.key.kid)) continue
    const earlier = previous?.get(read.found.key.kid)
    keys.set(read.found.key.kid, earlier?.fingerprint === read.fingerprint ? earlier : read)
  }
  return keys
}

function readKey(jwk: Record<string, unknown>): KeySetEntry | undefined {
  const { kid, alg, use, key_ops: operations } = jwk
  if (typeof kid !== 'string' || kid === '') return undefined
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return undefined
  // Only these members are handed on, so nothing else of a stranger's document takes part.
  const material =
    jwk.kty === 'RSA'
      ? { kty: 'RSA', n: text(jwk.n), e: text(jwk.e) }
      : jwk.kty === 'EC'
        ? { kty: 'EC', crv: text(jwk.crv), x: text(jwk.x), y: text(jwk.y) }
        : undefined
  const publicKey = material && publicKeyOf(material)
  const algorithms = publicKey ? algorithmsOf(publicKey).filter((known) => alg === undefined || known === alg) : []
  if (publicKey === undefined || algorithms.length === 0) return undefined
  const key: VerificationKey = { kid, publicKey, algorithms }
  return { found: { kind: 'found', key }, fingerprint: fingerprintOf(material, algorithms) }
}

function publicKeyOf(material: JsonWebKey) {
  try {
    return createPublicKey({ key: material, format: 'jwk' })
  } catch {
    // A key we cannot use is as good as none; the issuer's other keys still count.
    return undefined
  }
}

function fingerprintOf(material: object | undefined, algorithms: readonly SignatureAlgorithm[]): string {
  return JSON.stringify([material, algorithms])
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
