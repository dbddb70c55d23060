/**
 * Refresh tokens: sealed notes to ourselves. They are encrypted and authenticated with a key of the installation, so a
 * client can neither read nor change one, and none is stored. What ends them is time, another password, or the end of
 * the user.
 */
import { CompactEncrypt, compactDecrypt, errors } from 'jose'
import { MAX_TOKEN_CHARACTERS, REFRESH_TOKEN_LIFETIME_SECONDS } from '../domain/identity/limits.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict } from '../ports/store.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'

export interface RefreshNote {
  readonly objectId: string
  readonly clientId: string
  readonly signInGeneration: number
  /** When the password was given, Unix seconds. Refreshing does not move it. */
  readonly signedInUnixSeconds: number
}

const KEY_RECORD = 'refresh-0000000001'
const KEY_BYTES = 32
const HEADER = { alg: 'dir', enc: 'A256GCM', typ: 'keyhaven-refresh' } as const

export class RefreshTokens {
  readonly #records: SealedRecords
  readonly #random: Random
  #key: SecretBytes | undefined

  constructor(records: SealedRecords, random: Random) {
    this.#records = records
    this.#random = random
  }

  async seal(note: RefreshNote): Promise<string> {
    const key = await this.#readKey()
    return new CompactEncrypt(Buffer.from(JSON.stringify(note))).setProtectedHeader(HEADER).encrypt(key.reveal())
  }

  /** Refuses what we did not make, what is too old, and what another application was given. */
  async open(token: string, clientId: string, nowSeconds: number): Promise<RefreshNote> {
    const note = await this.#decrypt(token)
    if (note.clientId !== clientId || nowSeconds >= note.signedInUnixSeconds + REFRESH_TOKEN_LIFETIME_SECONDS) {
      throw refuseToken('RefreshTokenInvalid')
    }
    return note
  }

  async #decrypt(token: string): Promise<RefreshNote> {
    if (token.length > MAX_TOKEN_CHARACTERS) throw refuseToken('RefreshTokenInvalid')
    const key = await this.#readKey()
    try {
      const { plaintext, protectedHeader } = await compactDecrypt(token, key.reveal(), {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      })
      if (protectedHeader.typ !== HEADER.typ) throw refuseToken('RefreshTokenInvalid')
      return JSON.parse(Buffer.from(plaintext).toString('utf8')) as RefreshNote
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause
      throw refuseToken('RefreshTokenInvalid')
    }
  }

  async #readKey(): Promise<SecretBytes> {
    this.#key ??= await this.#readStoredKey()
    return this.#key
  }

  async #readStoredKey(): Promise<SecretBytes> {
    const stored = await this.#records.read('signingKeys', KEY_RECORD)
    if (stored) return stored.openValue()
    const value = new SecretBytes(this.#random.bytes(KEY_BYTES))
    try {
      const change = {
        collection: 'signingKeys',
        key: KEY_RECORD,
        expect: 'absent',
        meta: { purpose: 'refresh' },
        value,
      } as const
      await this.#records.commit([change])
      return value
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      // Another node made it first; its key is the one that counts.
      const made = await this.#records.read('signingKeys', KEY_RECORD)
      if (!made) throw error
      return made.openValue()
    }
  }
}
