/** Finds out whether whoever calls the token endpoint is the application it says it is. */
import { createPublicKey } from 'node:crypto'
import { type ClientProof, idTokenIssuerOf, issuerOf } from '../domain/identity/access-token.ts'
import {
  type Application,
  type ClientSecretEntry,
  findCertificate,
  matchFederatedCredential,
} from '../domain/identity/application.ts'
import {
  type AssertionReplays,
  CLIENT_ASSERTION_TYPE,
  isInTime,
  problemOfOwnAssertion,
  type ReplayVerdict,
} from '../domain/identity/client-assertion.ts'
import type { Attempt, FailedAttempts } from '../domain/identity/failed-attempts.ts'
import { MAX_SECRET_CHARACTERS } from '../domain/identity/limits.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'
import { FAST_DECOY, matchesFastHash, type SecretHash } from '../domain/identity/secret-hash.ts'
import {
  audiencesOf,
  readToken,
  stringClaim,
  type UnverifiedToken,
  verifySignature,
} from '../domain/identity/signed-token.ts'
import type { Clock } from '../ports/clock.ts'
import type { IssuerKeys } from '../ports/issuer-keys.ts'
import type { SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'
import { findApplication, secretsOfApplication } from './identity-directory.ts'
import type { ClientCredentials, TokenRequest } from './token-request.ts'
import type { SlowHashes } from './token-slow-hashes.ts'

export interface ClientAuthenticationParts {
  readonly records: SealedRecords
  readonly clock: Clock
  readonly authorityUrl: string
  readonly attempts: FailedAttempts
  readonly replays: AssertionReplays
  readonly slowHashes: SlowHashes
  /** Keys of an issuer that an application's federated credential names; nobody else gets to name one. */
  readonly issuerKeysFor: (issuer: string) => IssuerKeys
}

export interface AuthenticatedClient {
  readonly application: Application
  readonly proof: ClientProof
}

/** `isInTenant` says whether the address called is one of the application's own tenant. */
export async function authenticateClient(
  parts: ClientAuthenticationParts,
  request: TokenRequest,
  credentials: ClientCredentials,
  isInTenant: (tenantId: string) => boolean,
): Promise<AuthenticatedClient> {
  const { clientId, secret, assertion } = credentials
  const record = await findApplication(parts.records, clientId)
  if (record === undefined || !isInTenant(record.meta.tenantId)) {
    // The same work as for an application with a generated secret.
    if (secret !== undefined) matchesFastHash(secret.slice(0, MAX_SECRET_CHARACTERS), FAST_DECOY)
    throw refuseToken('ApplicationNotFound', { clientId, tenant: request.tenant })
  }
  if (secret !== undefined) {
    await requireSecret(parts, record, secret, { subject: clientId, address: request.clientAddress })
    return { application: record.meta, proof: '1' }
  }
  if (assertion !== undefined) {
    await requireAssertion(parts, record.meta, assertion, request)
    return { application: record.meta, proof: '2' }
  }
  throw refuseToken('CredentialMissing')
}

async function requireSecret(
  parts: ClientAuthenticationParts,
  record: SealedRecord<Application>,
  secret: string,
  attempt: Attempt,
): Promise<void> {
  const { clientId } = record.meta
  const nowMs = parts.clock.nowMs()
  const { hashes } = secretsOfApplication(record)
  const slow: { entry: ClientSecretEntry; hash: SecretHash & { scheme: 'scrypt' } }[] = []
  let matched: ClientSecretEntry | undefined
  const isLengthSane = secret.length <= MAX_SECRET_CHARACTERS
  for (const entry of isLengthSane ? record.meta.secrets : []) {
    const hash = hashes[entry.keyId]
    if (hash === undefined) continue
    if (hash.scheme === 'scrypt') slow.push({ entry, hash })
    else if (matchesFastHash(secret, hash)) matched = entry
  }
  if (matched === undefined) {
    // Only here can guessing help, so only here does an attempt have to wait its turn.
    const blockedMs = parts.attempts.blockedForMs(attempt, nowMs)
    if (blockedMs > 0) throw refuseToken('TooManyClientFailures', undefined, Math.ceil(blockedMs / 1000))
    parts.attempts.presumeFailed(attempt, nowMs)
    for (const { entry, hash } of slow) if (await parts.slowHashes.matches(secret, hash)) matched = entry
    if (matched === undefined) throw refuseToken('SecretInvalid', { clientId })
    parts.attempts.succeeded(attempt, nowMs)
  }
  if (nowMs >= matched.expiresUnixSeconds * 1000) throw refuseToken('SecretExpired', { clientId })
}

async function requireAssertion(
  parts: ClientAuthenticationParts,
  application: Application,
  assertion: string,
  request: TokenRequest,
): Promise<void> {
  if (request.form.client_assertion_type !== CLIENT_ASSERTION_TYPE) {
    throw refuseToken('MalformedRequest', {
      reason: `The parameter 'client_assertion_type' has to be ${CLIENT_ASSERTION_TYPE}.`,
    })
  }
  const token = readToken(assertion)
  if (token === 'malformed') throw refuseToken('AssertionInvalid', { reason: 'It is not a well-formed JWT.' })
  if (token === 'unsupportedAlgorithm') {
    throw refuseToken('AssertionInvalid', { reason: 'It has to be signed with RS256, PS256 or ES256.' })
  }
  // An application that signs for itself is its own issuer; everything else claims to come from an outside one.
  const issuer = stringClaim(token.claims, 'iss') ?? ''
  if (issuer.toLowerCase() === application.clientId || issuer === '') {
    await requireOwnAssertion(parts, application, assertion, token, request)
  } else {
    await requireFederatedAssertion(parts, application, assertion, token, issuer)
  }
}

async function requireOwnAssertion(
  parts: ClientAuthenticationParts,
  application: Application,
  assertion: string,
  token: UnverifiedToken,
  request: TokenRequest,
): Promise<void> {
  const nowMs = parts.clock.nowMs()
  const certificate = findCertificate(application.certificates, {
    x5t: stringClaim(token.header, 'x5t'),
    x5tS256: stringClaim(token.header, 'x5t#S256'),
    kid: token.kid,
  })
  if (certificate === undefined || nowMs >= certificate.expiresUnixSeconds * 1000) {
    throw refuseToken('AssertionInvalid', {
      reason: 'The certificate it names by x5t, x5t#S256 or kid is not registered for the application, or has expired.',
    })
  }
  const key = {
    kid: certificate.keyId,
    publicKey: createPublicKey(certificate.publicKeyPem),
    algorithms: certificate.algorithms,
  }
  if (!(await verifySignature(assertion, key, token.algorithm))) {
    throw refuseToken('AssertionInvalid', { reason: 'The signature is not valid.' })
  }
  const problem = problemOfOwnAssertion(token.claims, {
    clientId: application.clientId,
    audiences: audiencesFor(parts.authorityUrl, application.tenantId, request),
    nowSeconds: nowMs / 1000,
  })
  if (problem === 'wrongClient') throw refuseToken('AssertionWrongClient')
  if (problem === 'wrongAudience') throw refuseToken('AssertionWrongAudience')
  if (problem !== undefined) throw refuseToken('AssertionNotInTime')
  const verdict = parts.replays.admit(
    { clientId: application.clientId, text: assertion, claims: token.claims, address: request.clientAddress },
    nowMs,
  )
  refuseReplay(verdict)
}

function refuseReplay(verdict: ReplayVerdict): void {
  if (verdict === 'replayed') throw refuseToken('AssertionInvalid', { reason: 'It has been used before.' })
  if (verdict === 'full') {
    throw refuseToken('TemporarilyUnavailable', { reason: 'The application uses too many assertions at once.' }, 60)
  }
}

/** The token endpoint by any of its names, or the issuer: libraries differ in which they take. */
function audiencesFor(authorityUrl: string, tenantId: string, request: TokenRequest): readonly string[] {
  const path = new URL(request.endpointUrl).pathname
  return [
    request.endpointUrl,
    `${authorityUrl}${path}`,
    `${authorityUrl}/${tenantId}/oauth2/v2.0/token`,
    `${authorityUrl}/${tenantId}/oauth2/token`,
    issuerOf(authorityUrl, tenantId),
    idTokenIssuerOf(authorityUrl, tenantId),
  ]
}

async function requireFederatedAssertion(
  parts: ClientAuthenticationParts,
  application: Application,
  assertion: string,
  token: UnverifiedToken,
  issuer: string,
): Promise<void> {
  const subject = stringClaim(token.claims, 'sub') ?? ''
  const audiences = audiencesOf(token.claims)
  // Matched before the signature, so that only issuers an administrator named are ever asked for keys.
  const match = matchFederatedCredential(application.federatedCredentials, { issuer, subject, audiences })
  if (match === 'issuer') throw refuseToken('FederatedIssuerUnknown', { presented: issuer })
  if (match === 'subject') throw refuseToken('FederatedSubjectUnknown', { presented: subject })
  if (match === 'audience') throw refuseToken('FederatedAudienceUnknown', { presented: audiences.join(' ') })
  const lookup = token.kid === undefined ? undefined : await parts.issuerKeysFor(issuer).lookUp(token.kid)
  if (lookup?.kind === 'unavailable') {
    throw refuseToken('TemporarilyUnavailable', { reason: "The keys of the assertion's issuer cannot be read." }, 10)
  }
  if (lookup?.kind !== 'found') {
    throw refuseToken('AssertionInvalid', { reason: 'Its issuer publishes no key of the name it gives (kid).' })
  }
  if (!(await verifySignature(assertion, lookup.key, token.algorithm))) {
    throw refuseToken('AssertionInvalid', { reason: 'The signature is not valid.' })
  }
  if (!isInTime(token.claims, parts.clock.nowMs() / 1000)) throw refuseToken('AssertionNotInTime')
}
