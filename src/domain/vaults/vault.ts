/** A vault as a resource: what the control plane stores and the data plane reads (reference: vaults, section 2). */
export interface Vault {
  /** Ours, never reused, so a new vault of an old name opens nothing of the old one. */
  readonly vaultId: string
  /** As created; 3 to 24 of letters, digits and hyphens. */
  readonly name: string
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly tenantId: string
  readonly location: string
  readonly sku: 'standard' | 'premium'
  readonly tags: Readonly<Record<string, string>>
  readonly enableRbacAuthorization: boolean
  readonly accessPolicies: readonly AccessPolicyEntry[]
  readonly softDeleteRetentionInDays: number
  readonly enablePurgeProtection: boolean
  readonly publicNetworkAccess: 'Enabled' | 'Disabled'
  readonly networkAcls: {
    readonly bypass: 'AzureServices' | 'None'
    readonly defaultAction: 'Allow' | 'Deny'
    readonly ipRules: readonly string[]
  }
  /** Unix seconds. */
  readonly created: number
}

export interface AccessPolicyEntry {
  readonly tenantId: string
  readonly objectId: string
  readonly applicationId?: string
  readonly permissions: {
    readonly keys?: readonly string[]
    readonly secrets?: readonly string[]
    readonly certificates?: readonly string[]
    readonly storage?: readonly string[]
  }
}

/** Lower-case ARM id, the form scopes are compared in. */
export function vaultScope(vault: Pick<Vault, 'subscriptionId' | 'resourceGroup' | 'name'>): string {
  return `/subscriptions/${vault.subscriptionId}/resourcegroups/${vault.resourceGroup}/providers/microsoft.keyvault/vaults/${vault.name}`.toLowerCase()
}

/** Retention 90 is the service's default, less is `Customized` (observed). */
export function recoveryLevelOf(vault: Pick<Vault, 'softDeleteRetentionInDays' | 'enablePurgeProtection'>): string {
  const base = vault.softDeleteRetentionInDays === 90 ? 'Recoverable' : 'CustomizedRecoverable'
  return vault.enablePurgeProtection ? base : `${base}+Purgeable`
}
