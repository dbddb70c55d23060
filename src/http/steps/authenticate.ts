import type { Caller } from '../../domain/identity/caller.ts'
import { type Refusal, refuse } from '../../errors/refusal.ts'
import type { TokenExpectation, TokenProblem, TokenVerifier } from '../../ports/token-verifier.ts'

/** The Key Vault application's id, an audience that newer clients use. */
const KEY_VAULT_APPLICATION_ID = 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093'

/** What a token for vaults may name as audience; a final slash is no difference to the verifier. */
export function vaultAudiences(resource: string): readonly string[] {
  const withoutPort = resource.replace(/:\d+$/, '')
  return [...new Set([resource, withoutPort, 'https://vault.azure.net', KEY_VAULT_APPLICATION_ID])]
}

export function resourceManagerAudiences(baseUrl: string): readonly string[] {
  const withoutPort = baseUrl.replace(/:\d+$/, '')
  return [...new Set([baseUrl, withoutPort, 'https://management.azure.com', 'https://management.core.windows.net'])]
}

/** The caller, or a refusal with 401. Only the Bearer scheme is known; anything else counts as no token. */
export async function authenticate(
  authorization: string | undefined,
  verifier: TokenVerifier,
  expectation: TokenExpectation,
): Promise<Caller> {
  const token = bearerToken(authorization)
  if (token === undefined) throw refuse('TokenMissing')
  const answer = verifier.verify(token, expectation)
  const verdict = answer instanceof Promise ? await answer : answer
  if (verdict.accepted) return verdict.caller
  throw refusalOf(verdict.problem, expectation)
}

function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length < 8) return undefined
  const scheme = authorization.slice(0, 7)
  if (scheme !== 'Bearer ' && scheme.toLowerCase() !== 'bearer ') return undefined
  const token = authorization.slice(7).trim()
  return token === '' ? undefined : token
}

const MAX_QUOTED_CHARACTERS = 200

function refusalOf(problem: TokenProblem, { expectedAudience }: TokenExpectation): Refusal {
  switch (problem.kind) {
    case 'wrongAudience':
      return refuse('TokenWrongAudience', { expected: expectedAudience, found: quoted(problem.found) })
    case 'wrongIssuer':
      return refuse('TokenWrongIssuer', { expected: problem.expected, found: quoted(problem.found) })
    case 'unknownKey':
    case 'issuerUnavailable':
      return refuse('TokenKeyUnknown')
    case 'badSignature':
      return refuse('TokenBadSignature')
    case 'expired':
      return refuse('TokenExpired')
    case 'notYetValid':
      return refuse('TokenNotYetValid')
    case 'missingClaim':
      return refuse('TokenLacksClaim', { claim: problem.claim })
    case 'malformed':
    case 'unsupportedAlgorithm':
      return refuse('TokenMalformed')
  }
}

/** Text of a token is a stranger's text: kept short. */
const quoted = (text: string) => text.slice(0, MAX_QUOTED_CHARACTERS)
