/** A directory: every principal, application and vault belongs to exactly one. */
export interface Tenant {
  readonly tenantId: string
  readonly displayName: string
  /** The tenant that the name `adfs` stands for. */
  readonly isDefault: boolean
  readonly createdUnixSeconds: number
}

export interface Subscription {
  readonly subscriptionId: string
  readonly displayName: string
  readonly tenantId: string
}

/** What the tenant part of a login address means before anything was looked up. */
export type TenantSegment =
  | { readonly kind: 'id'; readonly tenantId: string }
  /** `adfs`: the default tenant for metadata. */
  | { readonly kind: 'default' }
  /** `common`, `organizations`: whatever tenant the application or user is in. */
  | { readonly kind: 'any' }
  | { readonly kind: 'unknown' }

export function readTenantSegment(segment: string): TenantSegment {
  const lower = segment.toLowerCase()
  if (lower === 'adfs') return { kind: 'default' }
  if (lower === 'common' || lower === 'organizations') return { kind: 'any' }
  return isUuid(lower) ? { kind: 'id', tenantId: lower } : { kind: 'unknown' }
}

/** The one made first where several claim to be it, so that every node picks the same. */
export function defaultTenantOf(tenants: readonly Tenant[]): Tenant | undefined {
  const candidates = tenants.filter((tenant) => tenant.isDefault)
  return candidates.sort((a, b) => a.createdUnixSeconds - b.createdUnixSeconds || (a.tenantId < b.tenantId ? -1 : 1))[0]
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Lower case only: ids are compared and stored in that form. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}
