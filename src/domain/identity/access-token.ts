/** What stands in the tokens we issue, and what a client may ask for. The form is the real service's v1 token. */
import { withoutTrailingSlashes } from '../../formats/trailing-slashes.ts'
import { MAX_RESOURCE_CHARACTERS } from './limits.ts'
import { isUuid } from './tenant.ts'

export interface TokenTimes {
  /** Unix seconds. */
  readonly issued: number
  readonly expires: number
}

/** v1 form: what access tokens carry and vaults trust. */
export function issuerOf(authorityUrl: string, tenantId: string): string {
  return `${authorityUrl}/${tenantId}/`
}

/** v2 form: ID tokens carry it, so none of them can pass for an access token. */
export function idTokenIssuerOf(authorityUrl: string, tenantId: string): string {
  return `${authorityUrl}/${tenantId}/v2.0`
}

/** How an application proved itself, as `appidacr` says it. */
export type ClientProof = '0' | '1' | '2'

export interface AppTokenSubject {
  readonly clientId: string
  readonly objectId: string
  readonly tenantId: string
  readonly proof: ClientProof
  readonly groups: readonly string[]
  /** ARM id, for managed identities. */
  readonly resourceId?: string
}

/** Random text that tells this token from every other. */
export type UniqueTokenId = string

export function appTokenClaims(
  authorityUrl: string,
  audience: string,
  subject: AppTokenSubject,
  times: TokenTimes,
  uti: UniqueTokenId,
) {
  const issuer = issuerOf(authorityUrl, subject.tenantId)
  return {
    aud: audience,
    iss: issuer,
    iat: times.issued,
    nbf: times.issued,
    exp: times.expires,
    appid: subject.clientId,
    appidacr: subject.proof,
    ...(subject.groups.length > 0 ? { groups: subject.groups } : {}),
    idp: issuer,
    idtyp: 'app',
    oid: subject.objectId,
    sub: subject.objectId,
    tid: subject.tenantId,
    uti,
    ver: '1.0',
    ...(subject.resourceId === undefined ? {} : { xms_mirid: subject.resourceId }),
  }
}

export interface UserTokenSubject {
  readonly objectId: string
  readonly tenantId: string
  readonly userPrincipalName: string
  readonly displayName: string
  readonly groups: readonly string[]
  /** The application the user signs in through. */
  readonly clientId: string
  readonly proof: ClientProof
}

export function userTokenClaims(
  authorityUrl: string,
  audience: string,
  subject: UserTokenSubject,
  times: TokenTimes,
  uti: UniqueTokenId,
) {
  return {
    aud: audience,
    iss: issuerOf(authorityUrl, subject.tenantId),
    iat: times.issued,
    nbf: times.issued,
    exp: times.expires,
    amr: ['pwd'],
    appid: subject.clientId,
    appidacr: subject.proof,
    ...(subject.groups.length > 0 ? { groups: subject.groups } : {}),
    idtyp: 'user',
    name: subject.displayName,
    oid: subject.objectId,
    scp: 'user_impersonation',
    sub: subject.objectId,
    tid: subject.tenantId,
    unique_name: subject.userPrincipalName,
    upn: subject.userPrincipalName,
    uti,
    ver: '1.0',
  }
}

export function idTokenClaims(authorityUrl: string, subject: UserTokenSubject, times: TokenTimes, uti: UniqueTokenId) {
  return {
    aud: subject.clientId,
    iss: idTokenIssuerOf(authorityUrl, subject.tenantId),
    iat: times.issued,
    nbf: times.issued,
    exp: times.expires,
    name: subject.displayName,
    oid: subject.objectId,
    preferred_username: subject.userPrincipalName,
    sub: subject.objectId,
    tid: subject.tenantId,
    uti,
    ver: '2.0',
  }
}

/** What a token is for, after reading `resource` or `scope`. */
export interface RequestedResource {
  /** The audience: the resource without trailing slashes. */
  readonly audience: string
  /** What the answer repeats where the client used the older parameter. */
  readonly resource: string
}

/** `resource=` of the v1 endpoints and the managed identity endpoints. */
export function readResource(resource: string): RequestedResource | undefined {
  const audience = withoutTrailingSlashes(resource)
  return isResource(audience) ? { audience, resource } : undefined
}

/** Asks for nothing of a resource; Go's and Java's libraries send them with every request. */
const OPENID_SCOPES = new Set(['openid', 'profile', 'email', 'offline_access'])

/**
 * The one scope of an application's request, `RESOURCE/.default`. A resource that itself ends in a slash gives two
 * slashes there; both go.
 */
export function readDefaultScope(scope: string): RequestedResource | 'notDefault' | undefined {
  const scopes = scope.split(' ').filter((entry) => entry !== '' && !OPENID_SCOPES.has(entry))
  const [only] = scopes
  if (scopes.length !== 1 || only === undefined) return undefined
  return only.endsWith('/.default') ? readResource(only.slice(0, -'/.default'.length)) : 'notDefault'
}

/** The scopes of a user's request: OpenID's own, and permissions on one resource, which is what the token is for. */
export function readUserScopes(scope: string): RequestedResource | undefined {
  const permissions = scope.split(' ').filter((entry) => entry !== '' && !OPENID_SCOPES.has(entry))
  const resources = new Set(
    permissions.map((permission) =>
      withoutTrailingSlashes(permission.slice(0, Math.max(0, permission.lastIndexOf('/')))),
    ),
  )
  const [resource] = resources
  return resources.size === 1 && resource !== undefined ? readResource(resource) : undefined
}

const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:\/\/[^\s"'<>\\^`{|}]+$/i

/** An absolute address or an application id; anything else would be a name nobody can check. */
function isResource(audience: string): boolean {
  if (audience.length > MAX_RESOURCE_CHARACTERS) return false
  return ABSOLUTE_URI.test(audience) || isUuid(audience.toLowerCase())
}
