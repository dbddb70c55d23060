/**
 * The root key from a passphrase through scrypt (RFC 7914), a memory-hard function: each guess costs 128 MiB. The salt
 * is no secret and is kept beside the data.
 */
import { createSecretKey, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import type { Random } from '../../../ports/random.ts'
import { type RootKeyProvider, RootKeyRefused } from '../../../ports/root-key.ts'
import { localKeyProvider } from '../local-key.ts'

const KEY_BYTES = 32
export const SALT_BYTES = 16
/** N, r, p of RFC 7914: 128 * N * r bytes of memory. */
const COST = { N: 131_072, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
export const MIN_PASSPHRASE_CHARACTERS = 12

const derive = promisify<string, Uint8Array, number, typeof COST, Buffer>(scrypt)

export interface PassphraseRootKeyOptions {
  readonly passphrase: string
  readonly salt: Uint8Array
  readonly random: Random
}

export async function passphraseRootKey({
  passphrase,
  salt,
  random,
}: PassphraseRootKeyOptions): Promise<RootKeyProvider> {
  if (passphrase.length < MIN_PASSPHRASE_CHARACTERS) {
    throw new RootKeyRefused(`the passphrase has fewer than ${MIN_PASSPHRASE_CHARACTERS} characters`)
  }
  const bytes = await derive(passphrase.normalize('NFC'), salt, KEY_BYTES, COST)
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return localKeyProvider('passphrase', key, random)
}
