/** What a token with a good signature says, read once: who the caller is, and what has to be checked at every request. */
import type { Caller } from '../../../domain/identity/caller.ts'
import { audiencesOf, type Claims, stringClaim, timeClaim } from '../../../domain/identity/signed-token.ts'
import type { TokenProblem } from '../../../ports/token-verifier.ts'

export interface ClaimMapping {
  readonly oid?: string
  readonly appid?: string
  readonly groups?: string
  readonly upn?: string
}

export interface TokenFacts {
  readonly caller: Caller
  /** Without a trailing slash. */
  readonly audiences: readonly string[]
  /** As the token wrote it, for refusals. */
  readonly writtenAudience: string
  /** Unix seconds; -Infinity where the token does not say. */
  readonly notBefore: number
}

export function factsOf(
  claims: Claims,
  iss: string,
  tenantId: string,
  mapping: ClaimMapping,
): TokenFacts | { readonly problem: TokenProblem } {
  const exp = timeClaim(claims, 'exp')
  if (exp === undefined) return missing('exp')
  const notBefore = claims.nbf === undefined ? -Infinity : timeClaim(claims, 'nbf')
  if (notBefore === undefined) return { problem: { kind: 'malformed' } }
  const written = audiencesOf(claims)
  if (written.length === 0) return missing('aud')
  const oid = stringClaim(claims, mapping.oid ?? 'oid')
  if (oid === undefined) return missing(mapping.oid ?? 'oid')
  return {
    caller: callerOf(claims, { oid, tid: tenantId, iss, exp }, mapping),
    audiences: written.map(withoutSlash),
    writtenAudience: written.join(', '),
    notBefore,
  }
}

function callerOf(
  claims: Claims,
  required: Pick<Caller, 'oid' | 'tid' | 'iss' | 'exp'>,
  mapping: ClaimMapping,
): Caller {
  const groups = claims[mapping.groups ?? 'groups']
  return {
    ...required,
    groups: Array.isArray(groups) ? groups.filter((group): group is string => typeof group === 'string') : [],
    appid: mapping.appid === undefined ? appidOf(claims) : stringClaim(claims, mapping.appid),
    appidacr: stringClaim(claims, 'appidacr') ?? stringClaim(claims, 'azpacr'),
    idtyp: stringClaim(claims, 'idtyp'),
    scp: stringClaim(claims, 'scp'),
    upn: stringClaim(claims, mapping.upn ?? 'upn'),
    xmsMirid: stringClaim(claims, 'xms_mirid'),
  }
}

/** v2 tokens call it `azp`. */
function appidOf(claims: Claims): string | undefined {
  return stringClaim(claims, 'appid') ?? stringClaim(claims, 'azp')
}

/** `https://vault.azure.net/` and `https://vault.azure.net` are one audience. */
export function withoutSlash(audience: string): string {
  return audience.endsWith('/') ? audience.slice(0, -1) : audience
}

function missing(claim: string): { readonly problem: TokenProblem } {
  return { problem: { kind: 'missingClaim', claim } }
}
