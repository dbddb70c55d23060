/**
 * Slows down guessing without giving anyone a cheap way to lock somebody else out.
 *
 * Failures are counted per subject and address, and per subject over all addresses; both counts drain with time. The
 * first only ever blocks the address that failed. The second stops guessing spread over many addresses, and leaves
 * alone the addresses the subject has signed in from before. Callers check credentials that cannot be guessed before
 * they ask, so a holder of a generated secret is never blocked.
 *
 * The memory is this process's own, bounded, and forgets the least recently used first.
 */
import {
  FAILURE_PER_ADDRESS_FORGIVEN_MS,
  FAILURE_PER_SUBJECT_FORGIVEN_MS,
  KNOWN_ADDRESS_MS,
  MAX_ATTEMPT_ENTRIES,
  MAX_FAILURES_PER_ADDRESS,
  MAX_FAILURES_PER_SUBJECT,
} from './limits.ts'

export interface Attempt {
  /** A client id or user principal name, whether it exists or not. */
  readonly subject: string
  readonly address: string
}

interface Count {
  readonly failures: number
  readonly atMs: number
}

export class FailedAttempts {
  readonly #perAddress = new Map<string, Count>()
  readonly #perSubject = new Map<string, Count>()
  readonly #knownAddresses = new Map<string, number>()

  /** Milliseconds until another attempt is looked at, 0 for at once. */
  blockedForMs(attempt: Attempt, nowMs: number): number {
    const here = drained(this.#perAddress.get(pair(attempt)), nowMs, FAILURE_PER_ADDRESS_FORGIVEN_MS)
    // A full count starts to drain at once, so it blocks until a whole failure is forgiven.
    if (here > MAX_FAILURES_PER_ADDRESS - 1)
      return wait(here, MAX_FAILURES_PER_ADDRESS, FAILURE_PER_ADDRESS_FORGIVEN_MS)
    const everywhere = drained(this.#perSubject.get(attempt.subject), nowMs, FAILURE_PER_SUBJECT_FORGIVEN_MS)
    if (everywhere <= MAX_FAILURES_PER_SUBJECT - 1) return 0
    const knownSince = this.#knownAddresses.get(pair(attempt))
    if (knownSince !== undefined && nowMs - knownSince < KNOWN_ADDRESS_MS) return 0
    return wait(everywhere, MAX_FAILURES_PER_SUBJECT, FAILURE_PER_SUBJECT_FORGIVEN_MS)
  }

  /**
   * Counts a failure. Called before a slow check, which succeeded() takes back, because attempts under way at the same
   * time would otherwise not see one another.
   */
  presumeFailed(attempt: Attempt, nowMs: number): void {
    count(this.#perAddress, pair(attempt), nowMs, FAILURE_PER_ADDRESS_FORGIVEN_MS, MAX_FAILURES_PER_ADDRESS)
    count(this.#perSubject, attempt.subject, nowMs, FAILURE_PER_SUBJECT_FORGIVEN_MS, MAX_FAILURES_PER_SUBJECT)
  }

  /** Nothing was checked after all. */
  takeBack(attempt: Attempt): void {
    lessOne(this.#perAddress, pair(attempt))
    lessOne(this.#perSubject, attempt.subject)
  }

  succeeded(attempt: Attempt, nowMs: number): void {
    this.#perAddress.delete(pair(attempt))
    lessOne(this.#perSubject, attempt.subject)
    putLast(this.#knownAddresses, pair(attempt), nowMs)
  }
}

/** A host with IPv6 owns a whole /64, so that is what counts as one address. */
export function addressGroupOf(clientAddress: string): string {
  const address = clientAddress.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`
}

function pair({ subject, address }: Attempt): string {
  return `${addressGroupOf(address)} ${subject}`
}

function drained(entry: Count | undefined, nowMs: number, forgivenMs: number): number {
  if (entry === undefined) return 0
  return Math.max(0, entry.failures - Math.max(0, nowMs - entry.atMs) / forgivenMs)
}

function wait(failures: number, limit: number, forgivenMs: number): number {
  return Math.max(1, Math.ceil((failures - limit + 1) * forgivenMs))
}

/** Never above the limit, so that a block is over soon after the guessing is. */
function count(entries: Map<string, Count>, key: string, nowMs: number, forgivenMs: number, limit: number): void {
  const failures = Math.min(limit, drained(entries.get(key), nowMs, forgivenMs) + 1)
  putLast(entries, key, { failures, atMs: nowMs })
}

function lessOne(entries: Map<string, Count>, key: string): void {
  const entry = entries.get(key)
  if (entry !== undefined) entries.set(key, { ...entry, failures: Math.max(0, entry.failures - 1) })
}

function putLast<V>(entries: Map<string, V>, key: string, value: V): void {
  entries.delete(key)
  entries.set(key, value)
  if (entries.size <= MAX_ATTEMPT_ENTRIES) return
  const [oldest] = entries.keys()
  if (oldest !== undefined) entries.delete(oldest)
}
