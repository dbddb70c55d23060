/** What a caller needs for an operation, in both of the service's access models. */
export type Permission =
  | {
      readonly kind: 'anonymous'
      /** Why this needs no token; one search for `anonymous(` lists every open endpoint. */
      readonly reason: string
    }
  | {
      readonly kind: 'vaultObject'
      readonly category: AccessPolicyCategory
      /** The word of the access policy vocabulary. */
      readonly accessPolicy: string
      /** `Microsoft.KeyVault/vaults/secrets/getSecret/action` */
      readonly dataAction: string
      /** Whether role assignments on the single object count, or only those on the vault and above. */
      readonly scope: 'object' | 'vault'
    }
  | {
      /** Any caller with a good token for this host; what they see is filtered by what they may see. */
      readonly kind: 'authenticated'
      readonly reason: string
    }

export type AccessPolicyCategory = 'keys' | 'secrets' | 'certificates' | 'storage'

export function anonymous(reason: string): Permission {
  return { kind: 'anonymous', reason }
}

export function authenticated(reason: string): Permission {
  return { kind: 'authenticated', reason }
}

/** A permission on one secret, named by the path parameter `name`. */
export function onSecret(action: string, { accessPolicy }: { readonly accessPolicy: string }): Permission {
  return vaultObject('secrets', action, accessPolicy, 'object')
}

/** A permission on all secrets of the vault: lists and restore. An assignment on one secret does not give it. */
export function onSecrets(action: string, { accessPolicy }: { readonly accessPolicy: string }): Permission {
  return vaultObject('secrets', action, accessPolicy, 'vault')
}

function vaultObject(
  category: AccessPolicyCategory,
  action: string,
  accessPolicy: string,
  scope: 'object' | 'vault',
): Permission {
  return {
    kind: 'vaultObject',
    category,
    accessPolicy,
    dataAction: `Microsoft.KeyVault/vaults/${category}/${action}`,
    scope,
  }
}
