/**
 * Every refusal of the login endpoints, once. Codes, statuses and error names are the real service's, because clients
 * read them; the sentences are ours and say what to do.
 */
interface Entry {
  readonly status: number
  /** The OAuth error name. */
  readonly error: string
  /** The number after `AADSTS`. */
  readonly code: number
  // biome-ignore lint/suspicious/noExplicitAny: the parameter's type is read back per entry by OAuthRefusalParameters.
  readonly message: string | ((parameters: any) => string)
}

const oauthRefusals = {
  MissingParameter: {
    status: 400,
    error: 'invalid_request',
    code: 900144,
    message: ({ name }: { name: string }) => `The request body must contain the following parameter: '${name}'.`,
  },
  MalformedRequest: {
    status: 400,
    error: 'invalid_request',
    code: 9002313,
    message: ({ reason }: { reason: string }) => `Invalid request. ${reason}`,
  },
  UnsupportedGrantType: {
    status: 400,
    error: 'unsupported_grant_type',
    code: 70003,
    message: ({ grantType }: { grantType: string }) => `The grant type '${grantType}' is not supported here.`,
  },
  TenantNotFound: {
    status: 400,
    error: 'invalid_request',
    code: 90002,
    message: ({ tenant }: { tenant: string }) =>
      `Tenant '${tenant}' not found. "keyhaven tenant list" shows the tenants of this installation.`,
  },
  /** What the metadata endpoints answer where the token endpoint says TenantNotFound. */
  MetadataTenantNotFound: {
    status: 400,
    error: 'invalid_tenant',
    code: 90002,
    message: ({ tenant }: { tenant: string }) =>
      `Tenant '${tenant}' not found. "keyhaven tenant list" shows the tenants of this installation.`,
  },
  InvalidInstance: {
    status: 400,
    error: 'invalid_instance',
    code: 50049,
    message: 'The authorization_endpoint parameter names a login host that is not this one.',
  },
  ApplicationNotFound: {
    status: 400,
    error: 'unauthorized_client',
    code: 700016,
    message: ({ clientId, tenant }: { clientId: string; tenant: string }) =>
      `Application with identifier '${clientId}' was not found in the directory '${tenant}'. "keyhaven app list" shows the applications there are.`,
  },
  CredentialMissing: {
    status: 401,
    error: 'invalid_client',
    code: 7000218,
    message: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  },
  SecretInvalid: {
    status: 401,
    error: 'invalid_client',
    code: 7000215,
    message: ({ clientId }: { clientId: string }) =>
      `Invalid client secret provided for application '${clientId}'. Send the secret's value, not its id.`,
  },
  SecretExpired: {
    status: 401,
    error: 'invalid_client',
    code: 7000222,
    message: ({ clientId }: { clientId: string }) =>
      `The client secret of application '${clientId}' has expired. "keyhaven app secret add" makes a new one.`,
  },
  AssertionInvalid: {
    status: 401,
    error: 'invalid_client',
    code: 700027,
    message: ({ reason }: { reason: string }) => `The client assertion failed validation. ${reason}`,
  },
  AssertionNotInTime: {
    status: 401,
    error: 'invalid_client',
    code: 700024,
    message: 'The client assertion is not within its valid time range, or is valid for more than 24 hours.',
  },
  AssertionWrongAudience: {
    status: 401,
    error: 'invalid_client',
    code: 700023,
    message: 'The audience of the client assertion is neither this token endpoint nor this issuer.',
  },
  AssertionWrongClient: {
    status: 401,
    error: 'invalid_client',
    code: 700021,
    message: "The issuer and subject of the client assertion are not the application of the parameter 'client_id'.",
  },
  FederatedIssuerUnknown: {
    status: 401,
    error: 'invalid_client',
    code: 700211,
    message: ({ presented }: { presented: string }) =>
      `No matching federated identity record found for presented assertion issuer '${presented}'.`,
  },
  FederatedAudienceUnknown: {
    status: 401,
    error: 'invalid_client',
    code: 700212,
    message: ({ presented }: { presented: string }) =>
      `No matching federated identity record found for presented assertion audience '${presented}'.`,
  },
  FederatedSubjectUnknown: {
    status: 401,
    error: 'invalid_client',
    code: 700213,
    message: ({ presented }: { presented: string }) =>
      `No matching federated identity record found for presented assertion subject '${presented}'.`,
  },
  ScopeInvalid: {
    status: 400,
    error: 'invalid_scope',
    code: 70011,
    message: "The parameter 'scope' has to name one resource, for example https://vault.azure.net/.default.",
  },
  ScopeNotDefault: {
    status: 400,
    error: 'invalid_scope',
    code: 1002012,
    message: 'An application asks for a resource as a whole: the scope has to end in /.default.',
  },
  ResourceInvalid: {
    status: 400,
    error: 'invalid_resource',
    code: 500011,
    message: "The parameter 'resource' has to be an absolute address or an application id.",
  },
  UserCredentialInvalid: {
    status: 400,
    error: 'invalid_grant',
    code: 50126,
    message: 'The user name or the password is not right.',
  },
  TooManyUserFailures: {
    status: 400,
    error: 'invalid_grant',
    code: 50053,
    message: 'Too many sign-ins with a wrong password came from this address. Wait as long as Retry-After says.',
  },
  TooManyClientFailures: {
    status: 429,
    error: 'temporarily_unavailable',
    code: 90055,
    message: 'Too many requests with a wrong client secret came from this address. Wait as long as Retry-After says.',
  },
  RefreshTokenInvalid: {
    status: 400,
    error: 'invalid_grant',
    code: 700082,
    message: 'The refresh token has expired, was revoked or belongs to another application. Sign in again.',
  },
  TooManyGroups: {
    status: 400,
    error: 'invalid_grant',
    code: 50105,
    message: ({ max }: { max: number }) =>
      `The principal is in more than ${max} groups, which does not fit into a token. Remove it from some.`,
  },
  TemporarilyUnavailable: {
    status: 503,
    error: 'temporarily_unavailable',
    code: 90033,
    message: ({ reason }: { reason: string }) => `A transient error has occurred. ${reason} Please try again.`,
  },
} as const satisfies Record<string, Entry>

export type OAuthRefusalName = keyof typeof oauthRefusals

type OAuthRefusalParameters<N extends OAuthRefusalName> = (typeof oauthRefusals)[N]['message'] extends (
  parameters: infer P,
) => string
  ? P
  : undefined

/** An expected refusal of a login endpoint. Its message never holds a secret or a token. */
export class OAuthRefusal extends Error {
  override readonly name = 'OAuthRefusal'
  readonly refusalName: OAuthRefusalName
  readonly status: number
  readonly error: string
  readonly code: number
  readonly retryAfterSeconds: number | undefined
  constructor(refusalName: OAuthRefusalName, message: string, retryAfterSeconds?: number) {
    super(message)
    const entry = oauthRefusals[refusalName]
    this.refusalName = refusalName
    this.status = entry.status
    this.error = entry.error
    this.code = entry.code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The longest piece of a request that a sentence repeats, in characters. */
const MAX_QUOTED_CHARACTERS = 256

/** `throw refuseToken('TenantNotFound', { tenant })`: the one way to refuse at the login endpoints. */
export function refuseToken<N extends OAuthRefusalName>(
  name: N,
  ...[parameters, retryAfterSeconds]: OAuthRefusalParameters<N> extends undefined
    ? [parameters?: undefined, retryAfterSeconds?: number]
    : [parameters: OAuthRefusalParameters<N>, retryAfterSeconds?: number]
): OAuthRefusal {
  const message: string | ((quoted: never) => string) = oauthRefusals[name].message
  const text =
    typeof message === 'string' ? message : (message as (quoted: unknown) => string)(shortened(parameters ?? {}))
  return new OAuthRefusal(name, text, retryAfterSeconds)
}

function shortened(parameters: object): object {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      // Control characters would let a request write lines of its own into a terminal or log that shows the answer.
      typeof value === 'string' ? value.slice(0, MAX_QUOTED_CHARACTERS).replace(/[\p{Cc}\p{Cf}]/gu, '?') : value,
    ]),
  )
}
