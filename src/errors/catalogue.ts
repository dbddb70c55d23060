/**
 * Every refusal Keyhaven can give, once. The sentence is part of the wire and is written nowhere else; where the real
 * service's sentence is known it is that one (`origin: 'observed' | 'documented'`), else it is ours and says what to do.
 */
interface Entry {
  readonly status: number
  readonly code: string
  readonly innerCode?: string
  // biome-ignore lint/suspicious/noExplicitAny: the parameter's type is read back per entry by RefusalParameters.
  readonly message: string | ((parameters: any) => string)
  /** Where the sentence comes from. */
  readonly origin: 'observed' | 'documented' | 'ours'
}

const capital = (kind: ObjectKind) => kind[0]?.toUpperCase() + kind.slice(1)

export type ObjectKind = 'secret' | 'key' | 'certificate'

interface Named {
  readonly kind: ObjectKind
  /** As the request wrote it, with `/version` where one was asked for. */
  readonly name: string
}

interface ForbiddenCaller {
  /** `appid=…;oid=…;iss=…` */
  readonly caller: string
  /** `NAME;location=REGION` */
  readonly vault: string
}

const notFound = ({ kind, name }: Named) =>
  `A ${kind} with (name/id) ${name} was not found in this key vault. If you recently deleted this ${kind} you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`

export const catalogue = {
  // 401: the challenge goes with every one of them.
  TokenMissing: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10000: Request is missing a Bearer or PoP token.',
    origin: 'observed',
  },
  TokenMalformed: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10001: Error validating token: the token is not a well-formed JWT that this vault accepts.',
    origin: 'ours',
  },
  TokenWrongAudience: {
    status: 401,
    code: 'Unauthorized',
    message: ({ expected, found }: { expected: string; found: string }) =>
      `AKV10022: Invalid audience. Expected ${expected}, found: ${found}.`,
    origin: 'documented',
  },
  TokenWrongIssuer: {
    status: 401,
    code: 'Unauthorized',
    message: ({ expected, found }: { expected: readonly string[]; found: string }) =>
      `AKV10032: Invalid issuer. Expected one of ${expected.join(', ')}, found ${found}.`,
    origin: 'documented',
  },
  TokenKeyUnknown: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10046: Unable to resolve the key used for signature validation.',
    origin: 'documented',
  },
  TokenBadSignature: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10001: Error validating token: the signature is not valid.',
    origin: 'ours',
  },
  TokenExpired: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10001: Error validating token: IDX10223: Lifetime validation failed. The token is expired.',
    origin: 'ours',
  },
  TokenNotYetValid: {
    status: 401,
    code: 'Unauthorized',
    message: 'AKV10001: Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid.',
    origin: 'ours',
  },
  TokenLacksClaim: {
    status: 401,
    code: 'Unauthorized',
    message: ({ claim }: { claim: string }) => `AKV10001: Error validating token: the claim '${claim}' is missing.`,
    origin: 'ours',
  },

  // The request as such.
  ApiVersionMissing: {
    status: 400,
    code: 'BadParameter',
    message: 'The api-version query parameter (?api-version=) is required for all requests.',
    origin: 'ours',
  },
  ApiVersionMalformed: {
    status: 400,
    code: 'BadParameter',
    message: ({ apiVersion }: { apiVersion: string }) =>
      `The api-version '${apiVersion}' is not valid. Use a version such as 7.4 or 2025-07-01.`,
    origin: 'ours',
  },
  RouteNotFound: {
    status: 404,
    code: 'NotFound',
    message: 'The requested path does not name an operation of this service.',
    origin: 'ours',
  },
  OperationNeedsNewerVersion: {
    status: 404,
    code: 'NotFound',
    message: ({ apiVersion }: { apiVersion: string }) =>
      `The api-version '${apiVersion}' does not have this operation. Use a newer api-version.`,
    origin: 'ours',
  },
  MethodNotAllowed: {
    status: 405,
    code: 'MethodNotAllowed',
    message: ({ method }: { method: string }) => `The method ${method} is not allowed here.`,
    origin: 'ours',
  },
  BodyTooLarge: {
    status: 413,
    code: 'RequestEntityTooLarge',
    message: ({ maxBytes }: { maxBytes: number }) => `The request body is larger than ${maxBytes} bytes.`,
    origin: 'ours',
  },
  BodyTooSlow: {
    status: 408,
    code: 'RequestTimeout',
    message: 'The request did not arrive in time.',
    origin: 'ours',
  },
  HeadersTooLarge: {
    status: 431,
    code: 'RequestHeaderFieldsTooLarge',
    message: 'The headers of the request are too large.',
    origin: 'ours',
  },
  NotHttp: {
    status: 400,
    code: 'BadRequest',
    message: 'The request is not well-formed HTTP.',
    origin: 'ours',
  },
  UnsupportedMediaType: {
    status: 415,
    code: 'UnsupportedMediaType',
    message: 'The request body must be JSON, sent with content-type application/json.',
    origin: 'ours',
  },
  BodyNotJson: {
    status: 400,
    code: 'BadParameter',
    message: 'The request body is not well-formed JSON.',
    origin: 'ours',
  },
  HostUnknown: {
    status: 404,
    code: 'NotFound',
    message: 'No vault or service answers to this host name.',
    origin: 'ours',
  },
  InvalidName: {
    status: 400,
    code: 'BadParameter',
    message: ({ name }: { name: string }) => `The request URI contains an invalid name: ${name}`,
    origin: 'observed',
  },
  /** What the service says of a body that breaks a rule; it leaves the property's name out. */
  InvalidProperty: {
    status: 400,
    code: 'BadParameter',
    message: 'Property  has invalid value\r\n',
    origin: 'observed',
  },
  InvalidQuery: {
    status: 400,
    code: 'BadParameter',
    message: ({ name, rule }: { name: string; rule: string }) =>
      `The query parameter '${name}' has an invalid value: ${rule}.`,
    origin: 'ours',
  },
  Throttled: {
    status: 429,
    code: 'Throttled',
    message: 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
    origin: 'documented',
  },

  // 403
  ForbiddenByPolicy: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByPolicy',
    message: ({ caller, category, permission, vault }: ForbiddenCaller & { category: string; permission: string }) =>
      `The user, group or application '${caller}' does not have ${category} ${permission} permission on key vault '${vault}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
    origin: 'observed',
  },
  ForbiddenByPolicyOnBehalfOf: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByPolicy',
    message: ({ caller }: { caller: string }) =>
      `The policy requires the caller '${caller}' to use on-behalf-of (OBO) flow. For more information on OBO, please see https://go.microsoft.com/fwlink/?linkid=2152310`,
    origin: 'documented',
  },
  ForbiddenByRbac: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByRbac',
    message: ({ caller, action, resource, vault }: ForbiddenCaller & { action: string; resource: string }) =>
      [
        'Caller is not authorized to perform action on resource.',
        'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
        `Caller: ${caller}`,
        `Action: '${action}'`,
        `Resource: '${resource}'`,
        'Assignment: (not found)',
        'DenyAssignmentId: null',
        'DecisionReason: null ',
        `Vault: ${vault}`,
        '',
      ].join('\r\n'),
    origin: 'documented',
  },
  ForbiddenByFirewall: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByFirewall',
    message: ({ address, caller, vault }: ForbiddenCaller & { address: string }) =>
      `Client address is not authorized and caller is not a trusted service.\r\nClient address: ${address}\r\nCaller: ${caller}\r\nVault: ${vault}`,
    origin: 'documented',
  },
  ForbiddenByConnection: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByConnection',
    message: ({ caller, vault }: ForbiddenCaller) =>
      `Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: ${caller}\r\nVault: ${vault}`,
    origin: 'documented',
  },
  SecretDisabled: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'SecretDisabled',
    message: 'Operation get is not allowed on a disabled secret.',
    origin: 'observed',
  },
  PurgeProtected: {
    status: 403,
    code: 'Forbidden',
    innerCode: 'ForbiddenByPurgeProtection',
    message: ({ kind, vault }: { kind: ObjectKind; vault: string }) =>
      `Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge the ${kind} after the retention period has passed.\r\nVault: ${vault}`,
    origin: 'ours',
  },

  // Objects.
  SecretNotFound: { status: 404, code: 'SecretNotFound', message: notFound, origin: 'observed' },
  DeletedSecretNotFound: {
    status: 404,
    code: 'SecretNotFound',
    message: ({ name }: { name: string }) => `Deleted Secret not found: ${name}`,
    origin: 'observed',
  },
  ObjectIsDeletedButRecoverable: {
    status: 409,
    code: 'Conflict',
    innerCode: 'ObjectIsDeletedButRecoverable',
    message: ({ kind, name }: Named) =>
      `${capital(kind)} ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the ${kind} can only be recovered or purged.`,
    origin: 'observed',
  },
  ObjectIsBeingDeletedOnCreate: {
    status: 409,
    code: 'Conflict',
    innerCode: 'ObjectIsBeingDeleted',
    message: ({ kind, name }: Named) =>
      `${capital(kind)} ${name} is currently being deleted and cannot be re-created; retry later.`,
    origin: 'observed',
  },
  ObjectIsBeingDeleted: {
    status: 409,
    code: 'Conflict',
    innerCode: 'ObjectIsBeingDeleted',
    message: ({ kind, name }: Named) => `${capital(kind)} ${name} is currently being deleted.`,
    origin: 'observed',
  },
  ObjectIsBeingRecovered: {
    status: 409,
    code: 'Conflict',
    innerCode: 'ObjectIsBeingRecovered',
    message: ({ kind, name }: Named) => `${capital(kind)} ${name} is currently being recovered; retry later.`,
    origin: 'ours',
  },
  ObjectIsNotDeleted: {
    status: 400,
    code: 'MethodNotAllowed',
    innerCode: 'RequestNotAllowedOnNonDeletedObject',
    message: ({ kind, name }: Named) => `${capital(kind)} exists already: ${name}`,
    origin: 'observed',
  },
  RestoreConflict: {
    status: 409,
    code: 'Conflict',
    message: ({ kind, id }: { kind: ObjectKind; id: string }) =>
      `There was a conflict restoring the ${kind} '${id}'. This can happen if either: a second ${kind} with the same name was created after the first ${kind} was deleted; thus trying to restore a ${kind} whose name is already in use. To fix this, rename the second ${kind} to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the ${kind}. To avoid this error, perform operations against a ${kind} in a sequential manner.`,
    origin: 'observed',
  },
  BackupBlobCorrupt: {
    status: 400,
    code: 'Malformed backup blob',
    message: 'Backup blob is corrupt.',
    origin: 'observed',
  },
  /** The text the official suites compare; given for bytes that were never a backup of this service. */
  BackupBlobInvalid: {
    status: 400,
    code: 'BadParameter',
    message: 'Backup blob contains invalid or corrupt version.',
    origin: 'documented',
  },
  BackupBlobForeign: {
    status: 400,
    code: 'BadParameter',
    message: 'Backup blob belongs to a different subscription or installation and cannot be restored here.',
    origin: 'ours',
  },
  BackupTooManyVersions: {
    status: 400,
    code: 'BadParameter',
    message: ({ kind, max }: { kind: ObjectKind; max: number }) =>
      `The ${kind} has more than ${max} versions and cannot be backed up.`,
    origin: 'ours',
  },
  ManagedObjectIsReadOnly: {
    status: 403,
    code: 'Forbidden',
    message: ({ kind, name }: Named) =>
      `The ${kind} ${name} is managed by a certificate of the same name; change the certificate instead.`,
    origin: 'ours',
  },
  ConversionNotSupported: {
    status: 400,
    code: 'BadParameter',
    message: "The query parameter 'outContentType' asks for a conversion that is not supported for this secret.",
    origin: 'ours',
  },
  ConcurrentChange: {
    status: 409,
    code: 'Conflict',
    message: 'Several requests changed this object at the same time; retry the request.',
    origin: 'ours',
  },

  // The service itself.
  InternalError: {
    status: 500,
    code: 'InternalServerError',
    message: 'An unexpected error happened. The x-ms-request-id of this answer finds it in the log of the server.',
    origin: 'ours',
  },
  ServiceUnavailable: {
    status: 503,
    code: 'ServiceUnavailable',
    message: 'The service cannot answer now; retry later.',
    origin: 'ours',
  },
} as const satisfies Record<string, Entry>

export type RefusalName = keyof typeof catalogue

export type RefusalParameters<N extends RefusalName> = (typeof catalogue)[N]['message'] extends (
  parameters: infer P,
) => string
  ? P
  : undefined
