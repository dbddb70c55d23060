/**
 * How client secrets and passwords are kept: only ever as hashes.
 *
 * A secret we generate is 240 random bits. Nobody can try those out however fast the hash is, so a salted HMAC-SHA-256
 * is enough, and it keeps a token request at microseconds. Whatever a person chose can be guessed, so it goes through
 * scrypt with parameters that cost about a quarter of a second and 32 MiB a guess. Salt and parameters are stored
 * beside each hash, so they can be raised without invalidating what is there.
 */
import { createHmac, scrypt, timingSafeEqual } from 'node:crypto'

export type SecretHash =
  | { readonly scheme: 'hmac-sha256'; readonly salt: string; readonly digest: string }
  | {
      readonly scheme: 'scrypt'
      readonly salt: string
      readonly digest: string
      readonly cost: number
      readonly blockSize: number
      readonly parallelization: number
    }

export const SECRET_SALT_BYTES = 16
/** Bytes of randomness a generated secret is made of: 6 bits of each become one character. */
export const GENERATED_SECRET_BYTES = 40
const DIGEST_BYTES = 32
const SCRYPT = { cost: 32_768, blockSize: 8, parallelization: 3 } as const
/** 128 * cost * blockSize bytes and a little more. */
const SCRYPT_MAX_MEMORY_BYTES = 64 * 1024 * 1024

/** 64 characters that need no quoting in a shell, a URL or a form. */
const SECRET_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~'

/** A secret of 40 characters from 40 random bytes. It starts with a letter, so no command line takes it for an option. */
export function secretFromRandom(bytes: Uint8Array): string {
  if (bytes.length !== GENERATED_SECRET_BYTES) throw new Error(`a secret needs ${GENERATED_SECRET_BYTES} random bytes`)
  const first = SECRET_ALPHABET[(bytes[0] ?? 0) & 31] ?? ''
  return first + Array.from(bytes.subarray(1), (byte) => SECRET_ALPHABET[byte & 63] ?? '').join('')
}

/** For secrets of secretFromRandom only. */
export function hashGeneratedSecret(secret: string, salt: Uint8Array): SecretHash {
  return { scheme: 'hmac-sha256', salt: base64(salt), digest: base64(hmacOf(secret, salt)) }
}

/** For everything a person chose. Takes about a quarter of a second on another thread. */
export async function hashChosenSecret(secret: string, salt: Uint8Array): Promise<SecretHash> {
  const digest = await scryptOf(secret, salt, SCRYPT)
  return { scheme: 'scrypt', salt: base64(salt), digest: base64(digest), ...SCRYPT }
}

/** Compares in constant time. */
export function matchesFastHash(secret: string, hash: SecretHash & { scheme: 'hmac-sha256' }): boolean {
  return timingSafeEqual(hmacOf(secret, Buffer.from(hash.salt, 'base64')), Buffer.from(hash.digest, 'base64'))
}

/** Compares in constant time. */
export async function matchesSlowHash(secret: string, hash: SecretHash & { scheme: 'scrypt' }): Promise<boolean> {
  const digest = await scryptOf(secret, Buffer.from(hash.salt, 'base64'), hash)
  return timingSafeEqual(digest, Buffer.from(hash.digest, 'base64'))
}

/**
 * Hashes that no secret has, for subjects that do not exist: they cost what a real one costs, so the time of an answer
 * does not tell whether there is such a subject.
 */
export const FAST_DECOY: SecretHash & { scheme: 'hmac-sha256' } = {
  scheme: 'hmac-sha256',
  salt: base64(new Uint8Array(SECRET_SALT_BYTES)),
  digest: base64(new Uint8Array(DIGEST_BYTES)),
}
export const SLOW_DECOY: SecretHash & { scheme: 'scrypt' } = { ...FAST_DECOY, scheme: 'scrypt', ...SCRYPT }

function hmacOf(secret: string, salt: Uint8Array): Buffer {
  return createHmac('sha256', salt).update(secret, 'utf8').digest()
}

function scryptOf(
  secret: string,
  salt: Uint8Array,
  { cost, blockSize, parallelization }: { cost: number; blockSize: number; parallelization: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(
      // Keyboards differ in how they compose accents; the same password has to be the same bytes.
      secret.normalize('NFC'),
      salt,
      DIGEST_BYTES,
      { cost, blockSize, parallelization, maxmem: SCRYPT_MAX_MEMORY_BYTES },
      (error, digest) => (error ? reject(error) : resolve(digest)),
    )
  })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
