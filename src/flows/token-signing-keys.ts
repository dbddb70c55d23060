/**
 * The keys our own tokens are signed with: made on demand, rotated, published, and looked up by whoever verifies a
 * token of ours. Several nodes share them through the store; that a key's record must not exist yet when it is written
 * is what makes sure each is made once.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { SIGNING_KEYS_REREAD_MS } from '../domain/identity/limits.ts'
import type { VerificationKey } from '../domain/identity/signed-token.ts'
import { planSigningKeys, publishedUntilMs, type SigningKeyInfo } from '../domain/identity/signing-key.ts'
import type { Clock } from '../ports/clock.ts'
import type { IssuerKeys, KeyLookup } from '../ports/issuer-keys.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict, StoreUnavailable } from '../ports/store.ts'
import type { SealedChange, SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'
import { generateSigningKey } from './token-signing-key-material.ts'

export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
}

const KEY_PREFIX = 'signing-'
/** There are never more than three; this only keeps one read bounded. */
const MAX_SIGNING_KEYS = 100
const MAX_ATTEMPTS = 8

interface LoadedKey extends SigningKeyInfo {
  readonly record: SealedRecord<SigningKeyInfo>
  readonly verification: VerificationKey
  readonly found: KeyLookup
}

interface Loaded {
  readonly changeToken: number | undefined
  readonly atMs: number
  readonly keys: readonly LoadedKey[]
  /** Each with the moment from which it does not count any more. */
  readonly byKid: ReadonlyMap<string, { readonly key: LoadedKey; readonly untilMs: number }>
}

const UNKNOWN: KeyLookup = { kind: 'unknown' }
const UNAVAILABLE: KeyLookup = { kind: 'unavailable' }

export interface TokenSigningKeysParts {
  readonly records: SealedRecords
  readonly clock: Clock
  readonly random: Random
  readonly signingPeriodMs: number
  /** Store.changeToken, where the engine has one. */
  readonly changeToken?: (() => number) | undefined
}

export class TokenSigningKeys implements IssuerKeys {
  readonly #parts: TokenSigningKeysParts
  #loaded: Loaded | undefined
  #loading: Promise<Loaded> | undefined
  #ensuring: Promise<Loaded> | undefined
  #privateKey: SigningKey | undefined

  constructor(parts: TokenSigningKeysParts) {
    this.#parts = parts
  }

  /**
   * A key removed by this process is unknown at once; one removed by another process at the latest after
   * SIGNING_KEYS_REREAD_MS. A key that is not among those remembered is looked for in the store before it is unknown.
   */
  lookUp(kid: string): KeyLookup | Promise<KeyLookup> {
    const loaded = this.#loaded
    if (loaded !== undefined && this.#isRecent(loaded)) {
      const lookup = this.#find(loaded, kid)
      if (lookup.kind === 'found' || this.#isExact(loaded)) return lookup
    }
    return this.#load().then(
      (fresh) => this.#find(fresh, kid),
      (error: unknown) => {
        if (error instanceof StoreUnavailable) return UNAVAILABLE
        throw error
      },
    )
  }

  /** The key to sign with now, after making and dropping whatever is due. */
  async signer(): Promise<SigningKey> {
    const { keys } = await this.maintain()
    const { signer } = planSigningKeys(keys, this.#parts.clock.nowMs(), this.#parts.signingPeriodMs)
    if (signer === undefined) throw new Error('no signing key although one was just made sure of')
    if (this.#privateKey?.kid === signer.kid) return this.#privateKey
    const pkcs8 = signer.record.openValue()
    try {
      const privateKey = createPrivateKey({ key: pkcs8.reveal(), format: 'der', type: 'pkcs8' })
      this.#privateKey = { kid: signer.kid, privateKey }
      return this.#privateKey
    } finally {
      pkcs8.destroy()
    }
  }

  /** What the key set endpoints answer, newest first. Makes the first key if there is none. */
  async published(): Promise<readonly SigningKeyInfo[]> {
    const { keys } = await this.maintain()
    return planSigningKeys(keys, this.#parts.clock.nowMs(), this.#parts.signingPeriodMs).published
  }

  /** Makes the key that is due and deletes those nothing can need any more. May be repeated, on any number of nodes. */
  maintain(): Promise<Loaded> {
    this.#ensuring ??= this.#maintainOnce().finally(() => {
      this.#ensuring = undefined
    })
    return this.#ensuring
  }

  async #maintainOnce(): Promise<Loaded> {
    const { clock, random, records, signingPeriodMs } = this.#parts
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const loaded = this.#loaded && this.#isExact(this.#loaded) ? this.#loaded : await this.#load()
      const plan = planSigningKeys(loaded.keys, clock.nowMs(), signingPeriodMs)
      if (plan.next === undefined && plan.retired.length === 0) return loaded
      const changes: SealedChange[] = plan.retired.map(({ record }) => ({
        collection: 'signingKeys',
        key: record.key,
        expect: record.revision,
        meta: null,
      }))
      const made = plan.next && (await generateSigningKey(plan.next, random))
      if (made) {
        changes.push({
          collection: 'signingKeys',
          key: keyOf(made.info.sequence),
          expect: 'absent',
          meta: made.info,
          value: made.privateKey,
        })
      }
      try {
        await records.commit(changes)
      } catch (error) {
        // Another node made the same decision first; what it wrote is read on the next round.
        if (!(error instanceof StoreConflict)) throw error
      } finally {
        made?.privateKey.destroy()
        this.#loaded = undefined
      }
    }
    throw new Error(`signing keys kept changing during ${MAX_ATTEMPTS} attempts`)
  }

  #load(): Promise<Loaded> {
    this.#loading ??= this.#loadOnce().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #loadOnce(): Promise<Loaded> {
    const { changeToken, clock, records } = this.#parts
    // Both are taken before reading, so a change during the read makes what was read old, never new.
    const token = changeToken?.()
    const atMs = clock.nowMs()
    const page = await records.page<SigningKeyInfo>('signingKeys', { prefix: KEY_PREFIX, limit: MAX_SIGNING_KEYS })
    const known = new Map(this.#loaded?.keys.map((key) => [key.kid, key]))
    const keys = page.map((record) => {
      const earlier = known.get(record.meta.kid)
      return earlier?.record.revision === record.revision ? earlier : loadedKeyOf(record)
    })
    const byKid = new Map(keys.map((key, index) => [key.kid, { key, untilMs: publishedUntilMs(keys, index) }]))
    this.#loaded = { changeToken: token, atMs, keys, byKid }
    return this.#loaded
  }

  #find(loaded: Loaded, kid: string): KeyLookup {
    const entry = loaded.byKid.get(kid)
    return entry !== undefined && this.#parts.clock.nowMs() < entry.untilMs ? entry.key.found : UNKNOWN
  }

  /** Nothing at all was committed since. */
  #isExact(loaded: Loaded): boolean {
    return loaded.changeToken !== undefined && loaded.changeToken === this.#parts.changeToken?.()
  }

  #isRecent(loaded: Loaded): boolean {
    const ageMs = this.#parts.clock.nowMs() - loaded.atMs
    return this.#isExact(loaded) || (ageMs >= 0 && ageMs < SIGNING_KEYS_REREAD_MS)
  }
}

function keyOf(sequence: number): string {
  return `${KEY_PREFIX}${String(sequence).padStart(10, '0')}`
}

function loadedKeyOf(record: SealedRecord<SigningKeyInfo>): LoadedKey {
  const { meta } = record
  const publicKey = createPublicKey({ key: { kty: 'RSA', n: meta.n, e: meta.e }, format: 'jwk' })
  const verification: VerificationKey = { kid: meta.kid, publicKey, algorithms: ['RS256'] }
  return { ...meta, record, verification, found: { kind: 'found', key: verification } }
}
