import type { VerificationKey } from '../domain/identity/signed-token.ts'

export type KeyLookup =
  | { readonly kind: 'found'; readonly key: VerificationKey }
  /** The issuer publishes no such key, or does so no longer. */
  | { readonly kind: 'unknown' }
  /** Nobody can tell now: the issuer does not answer and nothing recent enough is remembered. */
  | { readonly kind: 'unavailable' }

/**
 * The public keys of one token issuer. Asked for every request that carries a token, so an implementation answers
 * without a promise whenever it can.
 */
export interface IssuerKeys {
  /** Never rejects. The same key is the same object from call to call for as long as its issuer publishes it. */
  lookUp(kid: string): KeyLookup | Promise<KeyLookup>
}
