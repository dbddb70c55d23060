/**
 * The keys of one outside issuer, remembered. While they are fresh a look-up costs nothing; an unknown key makes us ask
 * again, but no more often than the cool-down allows, so tokens with made-up keys cannot turn us against the issuer.
 * While the issuer does not answer, the last keys go on counting for a bounded time.
 */
import type { Clock } from '../../../ports/clock.ts'
import type { IssuerKeys, KeyLookup } from '../../../ports/issuer-keys.ts'
import { type KeySet, readKeySet } from './key-set.ts'
import { KEY_SET_COOL_DOWN_MS, KEY_SET_FRESH_MS, KEY_SET_STALE_MS } from './settings.ts'

export interface RefreshingIssuerKeysParts {
  readonly clock: Clock
  /** The issuer's JWK set as JSON. */
  readonly read: () => Promise<unknown>
  /** Told about every refresh that failed. */
  readonly onFailure: (error: unknown) => void
}

const UNKNOWN: KeyLookup = { kind: 'unknown' }
const UNAVAILABLE: KeyLookup = { kind: 'unavailable' }

export class RefreshingIssuerKeys implements IssuerKeys {
  readonly #parts: RefreshingIssuerKeysParts
  #keys: KeySet | undefined
  #readMs = -Infinity
  #attemptedMs = -Infinity
  #hasLastAttemptFailed = false
  #refreshing: Promise<void> | undefined

  constructor(parts: RefreshingIssuerKeysParts) {
    this.#parts = parts
  }

  lookUp(kid: string): KeyLookup | Promise<KeyLookup> {
    const nowMs = this.#parts.clock.nowMs()
    if (nowMs - this.#readMs < KEY_SET_FRESH_MS) {
      const entry = this.#keys?.get(kid)
      if (entry !== undefined) return entry.found
    }
    if (nowMs - this.#attemptedMs < KEY_SET_COOL_DOWN_MS && this.#refreshing === undefined) return this.#remembered(kid)
    return this.#refresh().then(() => this.#remembered(kid))
  }

  /** Reads the keys now. Rejects when that fails, for sources that have to be there at the start. */
  async load(): Promise<void> {
    const { clock, read } = this.#parts
    this.#attemptedMs = clock.nowMs()
    this.#hasLastAttemptFailed = true
    this.#keys = readKeySet(await read(), this.#keys)
    this.#readMs = clock.nowMs()
    this.#hasLastAttemptFailed = false
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.load()
      .catch((error: unknown) => {
        this.#parts.onFailure(error)
      })
      .finally(() => {
        this.#refreshing = undefined
      })
    return this.#refreshing
  }

  #remembered(kid: string): KeyLookup {
    if (this.#keys === undefined || this.#parts.clock.nowMs() - this.#readMs >= KEY_SET_STALE_MS) return UNAVAILABLE
    const entry = this.#keys.get(kid)
    if (entry !== undefined) return entry.found
    // A key we do not know may be one the issuer made while it could not be reached.
    return this.#hasLastAttemptFailed ? UNAVAILABLE : UNKNOWN
  }
}
