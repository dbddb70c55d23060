/** Rules for the tokens applications sign in with instead of a secret (RFC 7523), apart from their signature. */

import { createHash } from 'node:crypto'
import { withoutTrailingSlashes } from '../../formats/trailing-slashes.ts'
import {
  CLOCK_SKEW_SECONDS,
  MAX_ASSERTION_LIFETIME_SECONDS,
  MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION,
} from './limits.ts'
import { audiencesOf, type Claims, stringClaim, timeClaim } from './signed-token.ts'

export const CLIENT_ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export type AssertionProblem = 'notInTime' | 'lifetimeTooLong' | 'wrongAudience' | 'wrongClient'

/** An application signs for itself: it is issuer and subject, and the token endpoint the audience. */
export function problemOfOwnAssertion(
  claims: Claims,
  expected: { readonly clientId: string; readonly audiences: readonly string[]; readonly nowSeconds: number },
): AssertionProblem | undefined {
  const isOwn =
    stringClaim(claims, 'iss')?.toLowerCase() === expected.clientId &&
    stringClaim(claims, 'sub')?.toLowerCase() === expected.clientId
  if (!isOwn) return 'wrongClient'
  const audiences = audiencesOf(claims).map(comparableUrl)
  if (!expected.audiences.map(comparableUrl).some((audience) => audiences.includes(audience))) return 'wrongAudience'
  if (!isInTime(claims, expected.nowSeconds)) return 'notInTime'
  const expires = timeClaim(claims, 'exp') ?? Infinity
  if (expires > expected.nowSeconds + MAX_ASSERTION_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) return 'lifetimeTooLong'
  return undefined
}

/** Whether the token counts now: it has to have an `exp`, and may have an `nbf`. */
export function isInTime(claims: Claims, nowSeconds: number): boolean {
  const expires = timeClaim(claims, 'exp')
  if (expires === undefined || nowSeconds >= expires + CLOCK_SKEW_SECONDS) return false
  if (claims.nbf === undefined) return true
  const notBefore = timeClaim(claims, 'nbf')
  return notBefore !== undefined && nowSeconds >= notBefore - CLOCK_SKEW_SECONDS
}

/** Hosts are written in any case, and issuers with or without their closing slash. */
function comparableUrl(url: string): string {
  return withoutTrailingSlashes(url.toLowerCase())
}

export type ReplayVerdict = 'accepted' | 'replayed' | 'full'

interface Remembered {
  readonly address: string
  readonly untilMs: number
}

/**
 * Remembers the assertions seen until they expire, so that a copied one is of no use elsewhere.
 *
 * MSAL for Node sends the same assertion with every token request for ten minutes, so refusing every second use would
 * refuse the official client. An assertion therefore stays good for the address that brought it first, unless `isSingleUse`.
 * The memory is this process's own; an application that fills its share has only itself to wait for.
 */
export class AssertionReplays {
  readonly #seen = new Map<string, Map<string, Remembered>>()
  readonly #isSingleUse: boolean

  constructor({ isSingleUse }: { readonly isSingleUse: boolean }) {
    this.#isSingleUse = isSingleUse
  }

  /** Call this only once the signature was found good: nobody else gets to fill the memory. */
  admit(
    assertion: { readonly clientId: string; readonly text: string; readonly claims: Claims; readonly address: string },
    nowMs: number,
  ): ReplayVerdict {
    const seen = this.#seen.get(assertion.clientId) ?? new Map<string, Remembered>()
    this.#seen.set(assertion.clientId, seen)
    const id = hashOf(stringClaim(assertion.claims, 'jti') ?? assertion.text)
    const earlier = seen.get(id)
    if (earlier !== undefined && nowMs < earlier.untilMs) {
      return !this.#isSingleUse && earlier.address === assertion.address ? 'accepted' : 'replayed'
    }
    if (seen.size >= MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION) forgetExpired(seen, nowMs)
    if (seen.size >= MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION) return 'full'
    const expires = timeClaim(assertion.claims, 'exp') ?? 0
    seen.set(id, { address: assertion.address, untilMs: (expires + CLOCK_SKEW_SECONDS) * 1000 })
    return 'accepted'
  }
}

function forgetExpired(seen: Map<string, Remembered>, nowMs: number): void {
  for (const [id, { untilMs }] of seen) if (nowMs >= untilMs) seen.delete(id)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
