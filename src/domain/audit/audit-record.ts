/**
 * One record of the service's AuditEvent category, with the member names and types of its storage form
 * (reference: monitoring, section 3). It is made from the request and the operation's declaration only, never from a
 * body, so no secret value can get into it.
 */
export interface AuditRecord {
  /** UTC with seven decimals, `2016-01-05T01:32:01.2691226Z`. */
  readonly time: string
  /** ARM id of the vault in upper case; empty where no vault is concerned. */
  readonly resourceId: string
  readonly operationName: string
  /** The api-version the client asked for. */
  readonly operationVersion: string
  readonly category: 'AuditEvent'
  readonly resultType: 'Success' | 'Failure'
  /** The HTTP status as words, `OK`, `Unauthorized`. */
  readonly resultSignature: string
  readonly resultDescription: string
  /** Milliseconds, as text. */
  readonly durationMs: string
  readonly callerIpAddress: string
  /** The client's x-ms-client-request-id, or empty. */
  readonly correlationId: string
  readonly identity: { readonly claim: Readonly<Record<string, string | readonly string[]>> }
  readonly properties: AuditProperties
}

export interface AuditProperties {
  /** Address of the object, without version if none was asked for. */
  readonly id?: string
  /** User agent. */
  readonly clientInfo: string
  readonly requestUri: string
  readonly httpStatusCode: number
  readonly tlsVersion?: string
  readonly isAccessPolicyMatch?: boolean
  readonly isRbacAuthorized?: boolean
  readonly appliedAssignmentId?: string
  readonly isAddressAuthorized?: boolean
  readonly subnetId?: string
  /** The x-ms-request-id of the answer: ours, beside the service's own members. */
  readonly requestId: string
}
