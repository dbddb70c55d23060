/** Which token verifiers there are. One kind, so far: signed JSON Web Tokens of our own authority and of outside issuers. */
import type { TokenVerifier } from '../../ports/token-verifier.ts'
import { type BuiltInIssuer, createJwtVerifier } from './jwt/jwt-verifier.ts'
import type { OutsideIssuers } from './jwt/outside-issuers.ts'
import type { OutsideIssuerSettings } from './jwt/settings.ts'

export { type OutsideIssuers, openOutsideIssuers } from './jwt/outside-issuers.ts'
export { type OutsideIssuerSettings, outsideIssuerSettings } from './jwt/settings.ts'

/** Trusts the built-in authority and the issuers of the settings, whose keys `issuers` was opened with. */
export function createTokenVerifier(parts: {
  readonly builtIn: BuiltInIssuer
  readonly settings: readonly OutsideIssuerSettings[]
  readonly issuers: OutsideIssuers
}): TokenVerifier {
  return createJwtVerifier({
    builtIn: parts.builtIn,
    outside: parts.settings.map((settings) => ({ ...settings, keys: parts.issuers.keysOf(settings.issuer) })),
  })
}
