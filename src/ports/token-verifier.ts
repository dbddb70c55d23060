import type { Caller } from '../domain/identity/caller.ts'

/** What a token has to be good for. */
export interface TokenExpectation {
  readonly tenantId: string
  /** Every audience that counts, without a trailing slash. */
  readonly audiences: readonly string[]
  /** The audience named in refusals: what the challenge asks for. */
  readonly expectedAudience: string
  readonly nowMs: number
}

/** Why a token was not accepted; each maps to one sentence of the catalogue. */
export type TokenProblem =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unsupportedAlgorithm' }
  | { readonly kind: 'unknownKey' }
  | { readonly kind: 'badSignature' }
  | { readonly kind: 'wrongIssuer'; readonly found: string; readonly expected: readonly string[] }
  | { readonly kind: 'wrongAudience'; readonly found: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'notYetValid' }
  | { readonly kind: 'missingClaim'; readonly claim: string }
  | { readonly kind: 'issuerUnavailable' }

export type TokenVerdict =
  | { readonly accepted: true; readonly caller: Caller }
  | { readonly accepted: false; readonly problem: TokenProblem }

export interface TokenVerifier {
  /** Never throws for anything a client can send. */
  verify(token: string, expectation: TokenExpectation): Promise<TokenVerdict> | TokenVerdict
}
