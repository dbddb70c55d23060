/** Who is asking, as an accepted token says. Names follow the token's claims. */
export interface Caller {
  /** Object id of the user, service principal or managed identity: what policies and role assignments name. */
  readonly oid: string
  /** Tenant id. */
  readonly tid: string
  /** Issuer as the token wrote it; refusals quote it. */
  readonly iss: string
  /** Client application id. Absent in tokens of some outside issuers. */
  readonly appid?: string
  readonly appidacr?: string
  /** Object ids of the groups the caller is in. */
  readonly groups: readonly string[]
  readonly idtyp?: string
  readonly scp?: string
  readonly upn?: string
  /** ARM id of the managed identity the token was given to. */
  readonly xmsMirid?: string
  /** Unix seconds. */
  readonly exp: number
}
