/**
 * The built-in token authority: what answers in the place of the login host. It authenticates applications, users and
 * managed identities against the installation's own records and signs tokens in the real service's v1 form.
 *
 * A token request goes: grant type -> client (token-client-authentication.ts) -> what the token is for -> claims
 * (domain/identity/access-token.ts) -> signature (token-signing-keys.ts). Refusals are OAuthRefusal throughout.
 */
import { CompactSign } from 'jose'
import {
  type AppTokenSubject,
  appTokenClaims,
  type ClientProof,
  idTokenClaims,
  issuerOf,
  type RequestedResource,
  type UserTokenSubject,
  userTokenClaims,
} from '../domain/identity/access-token.ts'
import { AssertionReplays } from '../domain/identity/client-assertion.ts'
import { FailedAttempts } from '../domain/identity/failed-attempts.ts'
import {
  DEFAULT_MANAGED_IDENTITY_TOKEN_LIFETIME_SECONDS,
  DEFAULT_SIGNING_KEY_DAYS,
  DEFAULT_TOKEN_LIFETIME_SECONDS,
  MAX_SECRET_CHARACTERS,
  MAX_TOKEN_LIFETIME_SECONDS,
} from '../domain/identity/limits.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'
import type { User } from '../domain/identity/principals.ts'
import { SLOW_DECOY } from '../domain/identity/secret-hash.ts'
import type { SigningKeyInfo } from '../domain/identity/signing-key.ts'
import { readTenantSegment } from '../domain/identity/tenant.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import type { Clock } from '../ports/clock.ts'
import type { IssuerKeys } from '../ports/issuer-keys.ts'
import type { Random } from '../ports/random.ts'
import type { SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'
import {
  findApplication,
  findDefaultTenant,
  findTenant,
  findUser,
  findUserByName,
  groupsClaimOf,
  secretsOfUser,
} from './identity-directory.ts'
import { authenticateClient, type ClientAuthenticationParts } from './token-client-authentication.ts'
import { type ManagedIdentityRequest, resolveManagedIdentity } from './token-managed-identity.ts'
import { RefreshTokens } from './token-refresh.ts'
import {
  type ClientCredentials,
  readAppResource,
  readClientCredentials,
  readUserResource,
  requireParameter,
  type TokenRequest,
} from './token-request.ts'
import { TokenSigningKeys } from './token-signing-keys.ts'
import { SlowHashes } from './token-slow-hashes.ts'

export interface TokenAuthoritySettings {
  /** `https://login.localhost:8443`, without trailing slash: the issuer in every token. */
  readonly authorityUrl: string
  readonly tokenLifetimeSeconds?: number
  readonly managedIdentityTokenLifetimeSeconds?: number
  readonly signingKeyDays?: number
  /** Refuses every second use of a client assertion. MSAL for Node does not work then. */
  readonly isAssertionSingleUse?: boolean
}

export interface TokenAuthorityParts {
  readonly installation: SealedRecords
  readonly clock: Clock
  readonly random: Random
  readonly settings: TokenAuthoritySettings
  /** Keys of the outside issuers that federated credentials name. */
  readonly issuerKeysFor: (issuer: string) => IssuerKeys
  /** Store.changeToken, where the engine has one. */
  readonly changeToken?: (() => number) | undefined
}

export interface IssuedToken {
  readonly accessToken: string
  readonly resource: string
  /** Unix seconds. */
  readonly issued: number
  readonly expires: number
}

/** Whether the client used the older parameter; its answer then has the older form. */
export interface GrantedToken extends IssuedToken {
  readonly isOlderForm: boolean
  readonly user?: {
    readonly idToken: string
    readonly refreshToken: string
    readonly objectId: string
    readonly tenantId: string
  }
}

/** Public clients every installation knows, because the tools that sign users in have these ids built in. */
const WELL_KNOWN_PUBLIC_CLIENTS: ReadonlySet<string> = new Set([
  // Azure CLI
  '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
  // Azure PowerShell
  '1950a258-227b-4e31-a9cf-717495945fc2',
])

interface UserGrant {
  readonly request: TokenRequest
  readonly user: User
  readonly clientId: string
  readonly proof: ClientProof
  readonly requested: RequestedResource
  readonly signedInUnixSeconds: number
}

export class TokenAuthority {
  /** For the verifier of this installation's own tokens. */
  readonly keys: IssuerKeys
  readonly authorityUrl: string
  readonly #signingKeys: TokenSigningKeys
  readonly #parts: TokenAuthorityParts
  readonly #refreshTokens: RefreshTokens
  readonly #attempts = new FailedAttempts()
  readonly #slowHashes = new SlowHashes()
  readonly #clientParts: ClientAuthenticationParts

  constructor(parts: TokenAuthorityParts) {
    const { installation, clock, random, settings } = parts
    this.#parts = parts
    requireLifetime(settings.tokenLifetimeSeconds)
    requireLifetime(settings.managedIdentityTokenLifetimeSeconds)
    this.authorityUrl = settings.authorityUrl
    this.#signingKeys = new TokenSigningKeys({
      records: installation,
      clock,
      random,
      changeToken: parts.changeToken,
      signingPeriodMs: (settings.signingKeyDays ?? DEFAULT_SIGNING_KEY_DAYS) * 86_400_000,
    })
    this.keys = this.#signingKeys
    this.#refreshTokens = new RefreshTokens(installation, random)
    this.#clientParts = {
      records: installation,
      clock,
      authorityUrl: settings.authorityUrl,
      attempts: this.#attempts,
      slowHashes: this.#slowHashes,
      replays: new AssertionReplays({ isSingleUse: settings.isAssertionSingleUse ?? false }),
      issuerKeysFor: (issuer) => (this.#isOwnIssuer(issuer) ? this.keys : parts.issuerKeysFor(issuer)),
    }
  }

  /** Newest first. The first call of an installation makes the first key. */
  publishedKeys(): Promise<readonly SigningKeyInfo[]> {
    return this.#signingKeys.published()
  }

  /** Makes the signing key that is due and drops the ones no token needs any more; a job calls it once a day. */
  async maintainKeys(): Promise<void> {
    await this.#signingKeys.maintain()
  }

  /** The tenant part of metadata addresses: itself where it is one, else the refusal of the metadata endpoints. */
  async requireMetadataTenant(segment: string): Promise<string> {
    const read = readTenantSegment(segment)
    if (read.kind === 'default' && (await findDefaultTenant(this.#parts.installation))) return 'adfs'
    if (read.kind === 'any') return segment.toLowerCase()
    if (read.kind === 'id' && (await findTenant(this.#parts.installation, read.tenantId))) return read.tenantId
    throw refuseToken('MetadataTenantNotFound', { tenant: segment })
  }

  async grant(request: TokenRequest): Promise<GrantedToken> {
    const grantType = requireParameter(request, 'grant_type')
    if (grantType === 'client_credentials') return this.#grantToApplication(request)
    if (grantType === 'password') return this.#grantForPassword(request)
    if (grantType === 'refresh_token') return this.#grantForRefreshToken(request)
    throw refuseToken('UnsupportedGrantType', { grantType })
  }

  async grantToManagedIdentity(request: ManagedIdentityRequest): Promise<IssuedToken & { readonly clientId: string }> {
    const { identity, requested } = await resolveManagedIdentity(this.#parts.installation, request)
    const lifetime =
      this.#parts.settings.managedIdentityTokenLifetimeSeconds ?? DEFAULT_MANAGED_IDENTITY_TOKEN_LIFETIME_SECONDS
    // The real service's managed identities hold a certificate, and their tokens say so.
    const issued = await this.#issueToApp({ ...identity, proof: '2' }, requested, lifetime)
    return { ...issued, clientId: identity.clientId }
  }

  async #grantToApplication(request: TokenRequest): Promise<GrantedToken> {
    const credentials = readClientCredentials(request)
    const requested = readAppResource(request)
    const isInTenant = await this.#tenantFilter(request.tenant)
    const { application, proof } = await authenticateClient(this.#clientParts, request, credentials, isInTenant)
    const { clientId, objectId, tenantId } = application
    const issued = await this.#issueToApp(
      { clientId, objectId, tenantId, proof },
      requested,
      this.#tokenLifetimeSeconds,
    )
    return { ...issued, isOlderForm: isOlderForm(request) }
  }

  async #grantForPassword(request: TokenRequest): Promise<GrantedToken> {
    const credentials = readClientCredentials(request)
    const userName = requireParameter(request, 'username')
    const password = requireParameter(request, 'password')
    const requested = readUserResource(request)
    const isInTenant = await this.#tenantFilter(request.tenant)
    const proof = await this.#proofOfUsersClient(request, credentials, isInTenant)
    const user = await this.#requirePassword(request, userName, password, isInTenant)
    const signedInUnixSeconds = unixSecondsOf(this.#parts.clock.nowMs())
    return this.#issueToUser({ request, user, clientId: credentials.clientId, proof, requested, signedInUnixSeconds })
  }

  async #grantForRefreshToken(request: TokenRequest): Promise<GrantedToken> {
    const credentials = readClientCredentials(request)
    const refreshToken = requireParameter(request, 'refresh_token')
    const requested = readUserResource(request)
    const isInTenant = await this.#tenantFilter(request.tenant)
    const proof = await this.#proofOfUsersClient(request, credentials, isInTenant)
    const { clientId } = credentials
    const note = await this.#refreshTokens.open(refreshToken, clientId, unixSecondsOf(this.#parts.clock.nowMs()))
    const user = (await findUser(this.#parts.installation, note.objectId))?.meta
    if (user === undefined || user.signInGeneration !== note.signInGeneration || !isInTenant(user.tenantId)) {
      throw refuseToken('RefreshTokenInvalid')
    }
    const { signedInUnixSeconds } = note
    return this.#issueToUser({ request, user, clientId, proof, requested, signedInUnixSeconds })
  }

  /** Users sign in through public clients, or through applications that prove themselves as well. */
  async #proofOfUsersClient(
    request: TokenRequest,
    credentials: ClientCredentials,
    isInTenant: (tenantId: string) => boolean,
  ): Promise<ClientProof> {
    const { clientId, secret, assertion } = credentials
    if (secret === undefined && assertion === undefined) {
      if (WELL_KNOWN_PUBLIC_CLIENTS.has(clientId)) return '0'
      const application = (await findApplication(this.#parts.installation, clientId))?.meta
      if (application?.isPublicClient && isInTenant(application.tenantId)) return '0'
    }
    return (await authenticateClient(this.#clientParts, request, credentials, isInTenant)).proof
  }

  /** A user that does not exist costs the same slow hash and gives the same answer as a wrong password. */
  async #requirePassword(
    request: TokenRequest,
    userName: string,
    password: string,
    isInTenant: (tenantId: string) => boolean,
  ): Promise<User> {
    // No user has a name or password this long; refusing it first costs neither a hash nor a place among the counts.
    if (password.length > MAX_SECRET_CHARACTERS) throw refuseToken('UserCredentialInvalid')
    const nowMs = this.#parts.clock.nowMs()
    const attempt = { subject: userName.normalize('NFC').slice(0, 256).toLowerCase(), address: request.clientAddress }
    const blockedMs = this.#attempts.blockedForMs(attempt, nowMs)
    if (blockedMs > 0) throw refuseToken('TooManyUserFailures', undefined, Math.ceil(blockedMs / 1000))
    this.#attempts.presumeFailed(attempt, nowMs)
    const found = await findUserByName(this.#parts.installation, userName)
    const record = found && isInTenant(found.meta.tenantId) ? found : undefined
    const isRight = await this.#matchesPassword(record, password).catch((error: unknown) => {
      this.#attempts.takeBack(attempt)
      throw error
    })
    if (record === undefined || !isRight) throw refuseToken('UserCredentialInvalid')
    this.#attempts.succeeded(attempt, nowMs)
    return record.meta
  }

  #matchesPassword(record: SealedRecord<User> | undefined, password: string): Promise<boolean> {
    const hash = record && secretsOfUser(record).password
    return this.#slowHashes.matches(password, hash?.scheme === 'scrypt' ? hash : SLOW_DECOY)
  }

  /** Which tenants' principals this address is for. `adfs` has no tenant of its own in it, so it is for all, as `common` is. */
  async #tenantFilter(segment: string): Promise<(tenantId: string) => boolean> {
    const read = readTenantSegment(segment)
    if (read.kind === 'unknown') throw refuseToken('TenantNotFound', { tenant: segment })
    if (read.kind !== 'id') return () => true
    if (!(await findTenant(this.#parts.installation, read.tenantId)))
      throw refuseToken('TenantNotFound', { tenant: segment })
    return (tenantId) => tenantId === read.tenantId
  }

  async #issueToApp(
    subject: Omit<AppTokenSubject, 'groups'>,
    requested: RequestedResource,
    lifetimeSeconds: number,
  ): Promise<IssuedToken> {
    const groups = await groupsClaimOf(this.#parts.installation, subject)
    const times = this.#timesFor(lifetimeSeconds)
    const claims = appTokenClaims(this.authorityUrl, requested.audience, { ...subject, groups }, times, this.#uti())
    return { accessToken: await this.#sign(claims), resource: requested.resource, ...times }
  }

  async #issueToUser(grant: UserGrant): Promise<GrantedToken> {
    const { user, clientId, proof, requested, signedInUnixSeconds } = grant
    const groups = await groupsClaimOf(this.#parts.installation, user)
    const subject: UserTokenSubject = { ...user, clientId, proof, groups }
    const times = this.#timesFor(this.#tokenLifetimeSeconds)
    const { objectId, tenantId, signInGeneration } = user
    const [accessToken, idToken, refreshToken] = await Promise.all([
      this.#sign(userTokenClaims(this.authorityUrl, requested.audience, subject, times, this.#uti())),
      this.#sign(idTokenClaims(this.authorityUrl, subject, times, this.#uti())),
      this.#refreshTokens.seal({ objectId, clientId, signInGeneration, signedInUnixSeconds }),
    ])
    return {
      accessToken,
      resource: requested.resource,
      ...times,
      isOlderForm: isOlderForm(grant.request),
      user: { idToken, refreshToken, objectId, tenantId },
    }
  }

  async #sign(claims: object): Promise<string> {
    const { kid, privateKey } = await this.#signingKeys.signer()
    return new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ typ: 'JWT', alg: 'RS256', x5t: kid, kid })
      .sign(privateKey)
  }

  get #tokenLifetimeSeconds(): number {
    return this.#parts.settings.tokenLifetimeSeconds ?? DEFAULT_TOKEN_LIFETIME_SECONDS
  }

  #timesFor(lifetimeSeconds: number): { issued: number; expires: number } {
    const issued = unixSecondsOf(this.#parts.clock.nowMs())
    return { issued, expires: issued + lifetimeSeconds }
  }

  #uti(): string {
    return Buffer.from(this.#parts.random.bytes(16)).toString('base64url')
  }

  #isOwnIssuer(issuer: string): boolean {
    const tenantId = issuer.slice(this.authorityUrl.length + 1, -1)
    return issuer === issuerOf(this.authorityUrl, tenantId)
  }
}

/** A longer token could outlive the key it is checked with. */
function requireLifetime(seconds: number | undefined): void {
  if (seconds !== undefined && !(seconds > 0 && seconds <= MAX_TOKEN_LIFETIME_SECONDS)) {
    throw new Error(`a token lifetime of ${seconds} seconds is not between 1 and ${MAX_TOKEN_LIFETIME_SECONDS}`)
  }
}

function isOlderForm(request: TokenRequest): boolean {
  return request.form.resource !== undefined && request.form.resource !== ''
}
