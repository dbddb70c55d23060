/**
 * Azure's built-in roles for key vaults, exact (reference: access, section 8). Authorization is data: a new role is an
 * entry here.
 */
export interface RoleDefinition {
  readonly id: string
  readonly roleName: string
  readonly description: string
  readonly type: 'BuiltInRole' | 'CustomRole'
  readonly assignableScopes: readonly string[]
  readonly permissions: readonly RolePermissions[]
}

export interface RolePermissions {
  readonly actions: readonly string[]
  readonly notActions: readonly string[]
  readonly dataActions: readonly string[]
  readonly notDataActions: readonly string[]
  readonly condition?: string
  readonly conditionVersion?: string
}

const MANAGEMENT_READ = [
  'Microsoft.Authorization/*/read',
  'Microsoft.Insights/alertRules/*',
  'Microsoft.Resources/deployments/*',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Support/*',
  'Microsoft.KeyVault/checkNameAvailability/read',
  'Microsoft.KeyVault/deletedVaults/read',
  'Microsoft.KeyVault/locations/*/read',
  'Microsoft.KeyVault/vaults/*/read',
  'Microsoft.KeyVault/operations/read',
]

const ON_VAULT = 'Microsoft.KeyVault/vaults/'

const GRANTABLE_BY_DATA_ACCESS_ADMINISTRATOR = [
  '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  'a4417e6f-fecd-4de8-b567-7b0420556985',
  '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
  'e147488a-f6f5-4113-8e2d-b22465e65bf6',
  '12338af0-0e69-4776-bea7-57ae8d297424',
  '21090545-7ca7-4776-b22c-e363652d74d2',
  'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  '4633458b-17de-408a-b874-0445c86b69e6',
].join(', ')

const DATA_ACCESS_ADMINISTRATOR_CONDITION =
  `((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{${GRANTABLE_BY_DATA_ACCESS_ADMINISTRATOR}}))` +
  ` AND ((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{${GRANTABLE_BY_DATA_ACCESS_ADMINISTRATOR}}))`

interface RoleSource {
  readonly id: string
  readonly roleName: string
  readonly description: string
  readonly actions?: readonly string[]
  readonly notActions?: readonly string[]
  /** Without the prefix Microsoft.KeyVault/vaults/. */
  readonly onVault?: readonly string[]
  readonly condition?: string
}

const sources: readonly RoleSource[] = [
  {
    id: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
    roleName: 'Key Vault Administrator',
    description: 'Does everything with the keys, secrets and certificates of a vault.',
    actions: MANAGEMENT_READ,
    onVault: ['*'],
  },
  {
    id: '21090545-7ca7-4776-b22c-e363652d74d2',
    roleName: 'Key Vault Reader',
    description: 'Reads metadata of vaults and of their keys, secrets and certificates, never a secret value.',
    actions: MANAGEMENT_READ,
    onVault: ['*/read', 'secrets/readMetadata/action'],
  },
  {
    id: 'a4417e6f-fecd-4de8-b567-7b0420556985',
    roleName: 'Key Vault Certificates Officer',
    description: 'Does everything with the certificates of a vault.',
    actions: MANAGEMENT_READ,
    onVault: ['certificatecas/*', 'certificates/*', 'certificatecontacts/write'],
  },
  {
    id: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
    roleName: 'Key Vault Certificate User',
    description: 'Reads whole certificates, their secret and key parts included.',
    onVault: ['certificates/read', 'secrets/getSecret/action', 'secrets/readMetadata/action', 'keys/read'],
  },
  {
    id: '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
    roleName: 'Key Vault Crypto Officer',
    description: 'Does everything with the keys of a vault.',
    actions: MANAGEMENT_READ,
    onVault: ['keys/*', 'keyrotationpolicies/*'],
  },
  {
    id: '12338af0-0e69-4776-bea7-57ae8d297424',
    roleName: 'Key Vault Crypto User',
    description: 'Uses keys for cryptographic operations.',
    onVault: [
      'keys/read',
      'keys/update/action',
      'keys/backup/action',
      'keys/encrypt/action',
      'keys/decrypt/action',
      'keys/wrap/action',
      'keys/unwrap/action',
      'keys/sign/action',
      'keys/verify/action',
    ],
  },
  {
    id: 'e147488a-f6f5-4113-8e2d-b22465e65bf6',
    roleName: 'Key Vault Crypto Service Encryption User',
    description: 'Reads keys and wraps and unwraps with them.',
    actions: [
      'Microsoft.EventGrid/eventSubscriptions/write',
      'Microsoft.EventGrid/eventSubscriptions/read',
      'Microsoft.EventGrid/eventSubscriptions/delete',
    ],
    onVault: ['keys/read', 'keys/wrap/action', 'keys/unwrap/action'],
  },
  {
    id: '08bbd89e-9f13-488c-ac41-acfcb10c90ab',
    roleName: 'Key Vault Crypto Service Release User',
    description: 'Releases keys to attested environments.',
    onVault: ['keys/release/action'],
  },
  {
    id: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
    roleName: 'Key Vault Secrets Officer',
    description: 'Does everything with the secrets of a vault.',
    actions: MANAGEMENT_READ,
    onVault: ['secrets/*'],
  },
  {
    id: '4633458b-17de-408a-b874-0445c86b69e6',
    roleName: 'Key Vault Secrets User',
    description: 'Reads secret values.',
    onVault: ['secrets/getSecret/action', 'secrets/readMetadata/action'],
  },
  {
    id: 'f25e0fa2-a7c8-4377-a976-54943a77a395',
    roleName: 'Key Vault Contributor',
    description: 'Manages vaults, without access to what is in them.',
    actions: [
      'Microsoft.Authorization/*/read',
      'Microsoft.Insights/alertRules/*',
      'Microsoft.KeyVault/*',
      'Microsoft.Resources/deployments/*',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Support/*',
    ],
    notActions: [
      'Microsoft.KeyVault/locations/deletedVaults/purge/action',
      'Microsoft.KeyVault/hsmPools/*',
      'Microsoft.KeyVault/managedHsms/*',
    ],
  },
  {
    id: '8b54135c-b56d-4d72-a534-26097cfdc8d8',
    roleName: 'Key Vault Data Access Administrator',
    description: 'Assigns the data roles of key vaults, within the limits of its condition.',
    actions: [
      'Microsoft.Authorization/roleAssignments/write',
      'Microsoft.Authorization/roleAssignments/delete',
      'Microsoft.Authorization/*/read',
      'Microsoft.Resources/deployments/*',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Resources/subscriptions/read',
      'Microsoft.Management/managementGroups/read',
      'Microsoft.Support/*',
      'Microsoft.KeyVault/vaults/*/read',
    ],
    condition: DATA_ACCESS_ADMINISTRATOR_CONDITION,
  },
  {
    id: 'a68e7c17-0ab2-4c09-9a58-125dae29748c',
    roleName: 'Key Vault Purge Operator',
    description: 'Purges soft-deleted vaults for good.',
    actions: [
      'Microsoft.KeyVault/locations/deletedVaults/read',
      'Microsoft.KeyVault/locations/deletedVaults/purge/action',
      'Microsoft.KeyVault/locations/operationResults/read',
    ],
  },
  {
    id: '18500a29-7fe2-46b2-a342-b16a415e101d',
    roleName: 'Managed HSM contributor',
    description: 'Manages managed HSM pools, without access to what is in them.',
    actions: [
      'Microsoft.KeyVault/managedHSMs/*',
      'Microsoft.KeyVault/deletedManagedHsms/read',
      'Microsoft.KeyVault/locations/deletedManagedHsms/read',
      'Microsoft.KeyVault/locations/deletedManagedHsms/purge/action',
      'Microsoft.KeyVault/locations/managedHsmOperationResults/read',
    ],
  },
]

export const builtInRoles: ReadonlyMap<string, RoleDefinition> = new Map(
  sources.map(({ id, roleName, description, actions, notActions, onVault, condition }) => [
    id,
    {
      id,
      roleName,
      description,
      type: 'BuiltInRole',
      assignableScopes: ['/'],
      permissions: [
        {
          actions: actions ?? [],
          notActions: notActions ?? [],
          dataActions: (onVault ?? []).map((action) => ON_VAULT + action),
          notDataActions: [],
          ...(condition === undefined ? {} : { condition, conditionVersion: '2.0' }),
        },
      ],
    },
  ]),
)

/** By id or, as people write it, by name in any case. */
export function findBuiltInRole(idOrName: string): RoleDefinition | undefined {
  const wanted = idOrName.toLowerCase()
  return (
    builtInRoles.get(wanted) ?? [...builtInRoles.values()].find(({ roleName }) => roleName.toLowerCase() === wanted)
  )
}
