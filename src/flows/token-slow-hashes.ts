/**
 * Slow hashes, a few at a time. They run on the thread pool that signature checks and file writes need too, so a burst
 * of guesses has to queue here, and beyond the queue is told to come back, before it can stall everything else.
 */
import { MAX_SLOW_HASHES_AT_ONCE, MAX_SLOW_HASHES_WAITING } from '../domain/identity/limits.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'
import { matchesSlowHash, type SecretHash } from '../domain/identity/secret-hash.ts'

export class SlowHashes {
  #running = 0
  readonly #waiting: (() => void)[] = []

  async matches(secret: string, hash: SecretHash & { scheme: 'scrypt' }): Promise<boolean> {
    if (this.#running >= MAX_SLOW_HASHES_AT_ONCE) {
      if (this.#waiting.length >= MAX_SLOW_HASHES_WAITING) {
        throw refuseToken('TemporarilyUnavailable', { reason: 'Too many sign-ins are under way.' }, 1)
      }
      // Whoever finishes hands its place over, so the count does not change in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await matchesSlowHash(secret, hash)
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }
}
