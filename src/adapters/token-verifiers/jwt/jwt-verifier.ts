/**
 * Decides whether a bearer token counts. This is asked for every request, so a token whose signature was found good is
 * remembered by its SHA-256; remembered or not, every request checks time, tenant, audience and that the issuer still
 * publishes the key.
 *
 * SHA-256 rather than the token itself as the cache's key: the look-up takes about the same two microseconds, and the
 * memory then holds nothing that could be replayed.
 */
import { hash } from 'node:crypto'
import { issuerOf } from '../../../domain/identity/access-token.ts'
import { CLOCK_SKEW_SECONDS, MAX_TOKEN_CHARACTERS } from '../../../domain/identity/limits.ts'
import {
  readToken,
  stringClaim,
  type UnverifiedToken,
  type VerificationKey,
  verifySignature,
} from '../../../domain/identity/signed-token.ts'
import type { IssuerKeys, KeyLookup } from '../../../ports/issuer-keys.ts'
import type { TokenExpectation, TokenProblem, TokenVerdict, TokenVerifier } from '../../../ports/token-verifier.ts'
import { MAX_CACHED_TOKENS } from './settings.ts'
import { type ClaimMapping, factsOf, type TokenFacts, withoutSlash } from './token-facts.ts'

export interface BuiltInIssuer {
  /** Its tokens' issuer is this, the tenant id, and a slash. */
  readonly authorityUrl: string
  readonly keys: IssuerKeys
}

export interface OutsideIssuer {
  readonly issuer: string
  /** The tenant its callers belong to. */
  readonly tenantId: string
  /** In place of the audiences a request expects. */
  readonly audiences?: readonly string[] | undefined
  readonly claimMapping?: ClaimMapping | undefined
  readonly keys: IssuerKeys
}

export interface JwtVerifierOptions {
  readonly builtIn?: BuiltInIssuer | undefined
  readonly outside: readonly OutsideIssuer[]
  readonly maxCachedTokens?: number
}

/** An issuer as one token sees it. */
interface Trust {
  readonly keys: IssuerKeys
  readonly tenantId: string
  readonly audiences: readonly string[] | undefined
  readonly mapping: ClaimMapping
}

/** A token whose signature was good, and what it says. */
interface Verified {
  readonly trust: Trust
  readonly key: VerificationKey
  readonly facts: TokenFacts
  readonly accepted: TokenVerdict
}

const RECENT_TOKENS = 4

export function createJwtVerifier(options: JwtVerifierOptions): TokenVerifier {
  const { builtIn, maxCachedTokens = MAX_CACHED_TOKENS } = options
  const outside = new Map<string, Trust>()
  for (const { issuer, keys, tenantId, audiences, claimMapping } of options.outside) {
    const accepted = audiences?.map(withoutSlash)
    outside.set(issuer, { keys, tenantId, audiences: accepted, mapping: claimMapping ?? {} })
  }
  /** Least recently used first. */
  const cache = new Map<string, Verified>()

  /** Clients send the same token with every request of a connection: the last few are told apart without hashing. */
  const recent: { readonly token: string; readonly id: string }[] = []
  let nextRecent = 0
  function idOf(token: string): string {
    for (const entry of recent) if (entry.token === token) return entry.id
    const id = hash('sha256', token, 'base64')
    recent[nextRecent] = { token, id }
    nextRecent = (nextRecent + 1) % RECENT_TOKENS
    return id
  }

  function verify(token: string, expectation: TokenExpectation): Promise<TokenVerdict> | TokenVerdict {
    if (token.length > MAX_TOKEN_CHARACTERS) return refused({ kind: 'malformed' })
    const id = idOf(token)
    const known = cache.get(id)
    if (known === undefined) return verifyNew(token, id, expectation)
    const lookup = known.trust.keys.lookUp(known.key.kid)
    if (lookup instanceof Promise) return lookup.then((settled) => verifyKnown(token, id, known, settled, expectation))
    return verifyKnown(token, id, known, lookup, expectation)
  }

  function verifyKnown(
    token: string,
    id: string,
    known: Verified,
    lookup: KeyLookup,
    expectation: TokenExpectation,
  ): Promise<TokenVerdict> | TokenVerdict {
    cache.delete(id)
    if (lookup.kind !== 'found') return refused(problemOf(lookup))
    // Another key under the same name: what the old one signed has to prove itself anew.
    if (lookup.key !== known.key) return verifyNew(token, id, expectation)
    const problem = judge(known, expectation)
    // An expired token will not be good again; everything else may be, for another vault.
    if (problem?.kind !== 'expired') cache.set(id, known)
    return problem === undefined ? known.accepted : refused(problem)
  }

  async function verifyNew(token: string, id: string, expectation: TokenExpectation): Promise<TokenVerdict> {
    const read = readToken(token)
    if (typeof read === 'string') return refused({ kind: read })
    const iss = stringClaim(read.claims, 'iss')
    if (iss === undefined) return refused({ kind: 'missingClaim', claim: 'iss' })
    const trust = trustIn(read, iss)
    if (trust === undefined) return refused(wrongIssuer(iss, expectation))
    const lookup: KeyLookup = read.kid === undefined ? { kind: 'unknown' } : await trust.keys.lookUp(read.kid)
    if (lookup.kind !== 'found') return refused(problemOf(lookup))
    if (!(await verifySignature(token, lookup.key, read.algorithm))) return refused({ kind: 'badSignature' })
    const facts = factsOf(read.claims, iss, trust.tenantId, trust.mapping)
    if ('problem' in facts) return refused(facts.problem)
    const verified: Verified = { trust, key: lookup.key, facts, accepted: { accepted: true, caller: facts.caller } }
    const problem = judge(verified, expectation)
    if (problem?.kind !== 'expired') remember(id, verified)
    return problem === undefined ? verified.accepted : refused(problem)
  }

  /** Which issuer's keys may have signed it. One issuer's key never counts for another's token. */
  function trustIn({ claims }: UnverifiedToken, iss: string): Trust | undefined {
    const tid = stringClaim(claims, 'tid')
    if (builtIn !== undefined && tid !== undefined && iss === issuerOf(builtIn.authorityUrl, tid)) {
      return { keys: builtIn.keys, tenantId: tid, audiences: undefined, mapping: {} }
    }
    const trust = outside.get(iss)
    return trust !== undefined && (tid === undefined || tid.toLowerCase() === trust.tenantId) ? trust : undefined
  }

  function judge({ trust, facts }: Verified, expectation: TokenExpectation): TokenProblem | undefined {
    const isOwnTenant = trust.tenantId === expectation.tenantId || trust.tenantId === expectation.tenantId.toLowerCase()
    if (!isOwnTenant) return wrongIssuer(facts.caller.iss, expectation)
    const nowSeconds = expectation.nowMs / 1000
    if (nowSeconds >= facts.caller.exp + CLOCK_SKEW_SECONDS) return { kind: 'expired' }
    if (nowSeconds < facts.notBefore - CLOCK_SKEW_SECONDS) return { kind: 'notYetValid' }
    const wanted = trust.audiences ?? expectation.audiences
    if (facts.audiences.some((audience) => wanted.includes(audience))) return undefined
    return { kind: 'wrongAudience', found: facts.writtenAudience }
  }

  function wrongIssuer(found: string, { tenantId }: TokenExpectation): TokenProblem {
    const expected = builtIn === undefined ? [] : [issuerOf(builtIn.authorityUrl, tenantId)]
    for (const [issuer, trust] of outside) if (trust.tenantId === tenantId) expected.push(issuer)
    return { kind: 'wrongIssuer', found, expected }
  }

  function remember(id: string, verified: Verified): void {
    cache.set(id, verified)
    if (cache.size <= maxCachedTokens) return
    const [oldest] = cache.keys()
    if (oldest !== undefined) cache.delete(oldest)
  }

  return { verify }
}

function problemOf(lookup: Exclude<KeyLookup, { kind: 'found' }>): TokenProblem {
  return lookup.kind === 'unknown' ? { kind: 'unknownKey' } : { kind: 'issuerUnavailable' }
}

function refused(problem: TokenProblem): TokenVerdict {
  return { accepted: false, problem }
}
