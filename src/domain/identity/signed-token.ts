/**
 * Signed JSON Web Tokens, the way Keyhaven reads them wherever one comes in: access tokens, client assertions and
 * federated tokens. Reading the parts trusts nothing; only a key the caller of verifySignature chose makes them true.
 * Keys or addresses of keys inside a token (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
 */
import type { KeyObject } from 'node:crypto'
import { compactVerify, errors } from 'jose'
import { MAX_TOKEN_CHARACTERS } from './limits.ts'

/** Everything we accept. Symmetric algorithms and `none` are not among them, whatever a token says. */
export const SIGNATURE_ALGORITHMS = ['RS256', 'PS256', 'ES256'] as const
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number]

export interface VerificationKey {
  readonly kid: string
  readonly publicKey: KeyObject
  /** What this key may be used with; an RSA key without a stated algorithm does both kinds of padding. */
  readonly algorithms: readonly SignatureAlgorithm[]
}

export type Claims = Readonly<Record<string, unknown>>

export interface UnverifiedToken {
  readonly algorithm: SignatureAlgorithm
  readonly kid: string | undefined
  readonly header: Claims
  readonly claims: Claims
}

/** The parts of a token, or why it is not looked at further. Bounded in size; never throws. */
export function readToken(token: string): UnverifiedToken | 'malformed' | 'unsupportedAlgorithm' {
  if (token.length > MAX_TOKEN_CHARACTERS) return 'malformed'
  const parts = token.split('.')
  const [encodedHeader, encodedClaims, signature] = parts
  if (parts.length !== 3 || !encodedHeader || !encodedClaims || signature === undefined) return 'malformed'
  const header = jsonObjectOf(encodedHeader)
  const claims = jsonObjectOf(encodedClaims)
  if (header === undefined || claims === undefined || !isCanonical(signature)) return 'malformed'
  if (!isAcceptedType(header.typ) || 'crit' in header) return 'malformed'
  const algorithm = SIGNATURE_ALGORITHMS.find((known) => known === header.alg)
  if (algorithm === undefined) return 'unsupportedAlgorithm'
  return { algorithm, kid: typeof header.kid === 'string' ? header.kid : undefined, header, claims }
}

/** Whether exactly this key signed exactly this token. Never throws for anything a client can send. */
export async function verifySignature(
  token: string,
  key: VerificationKey,
  algorithm: SignatureAlgorithm,
): Promise<boolean> {
  if (!key.algorithms.includes(algorithm)) return false
  try {
    await compactVerify(token, key.publicKey, { algorithms: [algorithm] })
    return true
  } catch (error) {
    // A wrong signature or broken encoding is an answer. Anything else, such as a key of the wrong kind, is a fault of
    // ours and must not be mistaken for one.
    if (error instanceof errors.JOSEError) return false
    throw error
  }
}

/** Algorithms a public key can do, or none if it is too weak or of another kind. */
export function algorithmsOf(publicKey: KeyObject): readonly SignatureAlgorithm[] {
  const details = publicKey.asymmetricKeyDetails
  if (publicKey.asymmetricKeyType === 'rsa') return (details?.modulusLength ?? 0) >= 2048 ? ['RS256', 'PS256'] : []
  if (publicKey.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256']
  return []
}

export function stringClaim(claims: Claims, name: string): string | undefined {
  const value = claims[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** NumericDate: seconds, of which some libraries send fractions. */
export function timeClaim(claims: Claims, name: string): number | undefined {
  const value = claims[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** `aud` is one string or a list of them. */
export function audiencesOf(claims: Claims): readonly string[] {
  const value = claims.aud
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : []
}

/** `typ` may be missing; an ID-like token of another type (a logout token, a DPoP proof) is not an access token. */
function isAcceptedType(typ: unknown): boolean {
  if (typ === undefined) return true
  if (typeof typ !== 'string') return false
  const lower = typ.toLowerCase()
  return lower === 'jwt' || lower === 'at+jwt' || lower === 'application/at+jwt'
}

/** Decoders forgive padding, blanks and spare bits; one signed token must not be many different texts. */
function isCanonical(signature: string): boolean {
  return Buffer.from(signature, 'base64url').toString('base64url') === signature
}

const BASE64URL = /^[A-Za-z0-9_-]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

function jsonObjectOf(encoded: string): Claims | undefined {
  if (!BASE64URL.test(encoded)) return undefined
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(encoded, 'base64url')))
    return isObject(value) ? value : undefined
  } catch {
    // Neither UTF-8 nor JSON: the token is malformed, which is all there is to say about it.
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
