import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import type { AccessPolicyEntry, Vault } from '../domain/vaults/vault.ts'
import { vaultScope } from '../domain/vaults/vault.ts'
import { isLocation } from '../domain/vaults/vault-rules.ts'
import { findDefaultTenant, listSubscriptions } from '../flows/identity-directory.ts'
import { changeVault, createVault, findVault, listVaults, VaultRefused } from '../flows/manage-vaults.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { table, withData } from './with-data.ts'

const HELP = `Usage: keyhaven vault create --name NAME [OPTIONS]
       keyhaven vault list | show --name NAME
       keyhaven vault update --name NAME [OPTIONS]
       keyhaven vault set-policy --name NAME --object-id ID [--secret-permissions get,list,…] [--key-permissions …]
                                 [--certificate-permissions …] [--application-id ID]
       keyhaven vault delete-policy --name NAME --object-id ID

Options of create and update:
  --rbac true|false                    roles (true, the default) or access policies decide
  --soft-delete-retention-days DAYS    7 to 90, default 90; only at create
  --enable-purge-protection            deleted objects can't be purged before their time; for good
  --location REGION                    as answers name it, default local
  --resource-group NAME                default keyhaven
  --subscription ID                    default: the first one
  --public-network-access Enabled|Disabled
  --default-action Allow|Deny          for addresses without a rule
  --ip-rules A.B.C.D/N,…               addresses to let in
  --json                               one JSON document instead of text
${DATA_FLAGS_HELP}

Example: keyhaven vault create --name team-a --rbac true --soft-delete-retention-days 7
A running server sees the change at its next request.
`

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...dataFlagOptions,
      name: { type: 'string' },
      rbac: { type: 'string' },
      'soft-delete-retention-days': { type: 'string' },
      'enable-purge-protection': { type: 'boolean' },
      location: { type: 'string' },
      'resource-group': { type: 'string' },
      subscription: { type: 'string' },
      'public-network-access': { type: 'string' },
      'default-action': { type: 'string' },
      'ip-rules': { type: 'string' },
      'object-id': { type: 'string' },
      'application-id': { type: 'string' },
      'secret-permissions': { type: 'string' },
      'key-permissions': { type: 'string' },
      'certificate-permissions': { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  const [verb] = positionals
  if (given.help === true || verb === undefined) {
    process.stdout.write(HELP)
    return given.help === true ? 0 : 2
  }
  return withData(given, async ({ installation, keyrings }) => {
    const parts = { installation, keyrings, clock: systemClock, random: systemRandom }
    switch (verb) {
      case 'create':
        return show(given, await createVault(parts, await newVaultFrom(installation, given)))
      case 'list': {
        const vaults = await listVaults(installation)
        if (given.json === true) print(vaults)
        else process.stdout.write(table([['NAME', 'RBAC', 'DAYS', 'ID'], ...vaults.map(rowOf)]))
        return 0
      }
      case 'show': {
        const found = await findVault(installation, nameOf(given))
        if (found === undefined) throw new VaultRefused(`there is no vault ${nameOf(given)}`)
        return show(given, found.meta)
      }
      case 'update':
        return show(
          given,
          await changeVault(installation, nameOf(given), (vault) => ({ ...vault, ...changesFrom(given) })),
        )
      case 'set-policy':
        return show(given, await changeVault(installation, nameOf(given), (vault) => withPolicy(vault, given)))
      case 'delete-policy':
        return show(
          given,
          await changeVault(installation, nameOf(given), (vault) => ({
            ...vault,
            accessPolicies: vault.accessPolicies.filter(({ objectId }) => objectId !== given['object-id']),
          })),
        )
      default:
        process.stderr.write(`keyhaven vault: there is no "${verb}"; keyhaven vault --help lists what there is\n`)
        return 2
    }
  })
}

type Given = Readonly<Record<string, string | boolean | undefined>>

function nameOf(given: Given): string {
  if (typeof given.name !== 'string') throw new VaultRefused('name the vault with --name')
  return given.name
}

async function newVaultFrom(installation: SealedRecords, given: Given) {
  const subscriptions = await listSubscriptions(installation)
  const subscription = subscriptions.find(
    ({ subscriptionId }) => given.subscription === undefined || subscriptionId === given.subscription,
  )
  const tenantId = subscription?.tenantId ?? (await findDefaultTenant(installation))?.tenantId
  if (subscription === undefined || tenantId === undefined) {
    throw new VaultRefused('there is no such subscription; keyhaven subscription list shows those there are')
  }
  return { name: nameOf(given), subscriptionId: subscription.subscriptionId, tenantId, ...changesFrom(given) }
}

function changesFrom(given: Given): Partial<Vault> {
  const changes: { -readonly [K in keyof Vault]?: Vault[K] } = {}
  const text = (flag: string) => (typeof given[flag] === 'string' ? given[flag] : undefined)
  const rbac = text('rbac')
  if (rbac !== undefined) changes.enableRbacAuthorization = oneOf('rbac', rbac, ['true', 'false']) === 'true'
  const days = text('soft-delete-retention-days')
  if (days !== undefined) changes.softDeleteRetentionInDays = Number(days)
  if (given['enable-purge-protection'] === true) changes.enablePurgeProtection = true
  const location = text('location')
  if (location !== undefined) {
    if (!isLocation(location)) throw new VaultRefused(`"${location}" is no location: lower-case letters, digits and -`)
    changes.location = location
  }
  const group = text('resource-group')
  if (group !== undefined) changes.resourceGroup = group
  const access = text('public-network-access')
  if (access !== undefined) {
    changes.publicNetworkAccess = oneOf('public-network-access', access, ['Enabled', 'Disabled'] as const)
  }
  const action = text('default-action')
  if (action !== undefined || text('ip-rules') !== undefined) {
    const ipRules = (text('ip-rules') ?? '').split(',').filter((rule) => rule !== '')
    const wrong = ipRules.find((rule) => !isIpRule(rule))
    if (wrong !== undefined) {
      throw new VaultRefused(`"${wrong}" is no address rule: use an address or a range such as 10.0.0.0/24`)
    }
    changes.networkAcls = {
      bypass: 'AzureServices',
      defaultAction: oneOf('default-action', action ?? 'Deny', ['Allow', 'Deny'] as const),
      ipRules,
    }
  }
  return changes
}

function oneOf<const T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new VaultRefused(`--${flag} is one of ${choices.join(', ')}, not "${value}"`)
  return found
}

function withPolicy(vault: Vault, given: Given): Vault {
  const objectId = given['object-id']
  if (typeof objectId !== 'string') throw new VaultRefused('name the principal with --object-id')
  const words = (flag: string) =>
    typeof given[flag] === 'string' ? given[flag].split(',').filter((word) => word !== '') : undefined
  const secrets = words('secret-permissions')
  const keys = words('key-permissions')
  const certificates = words('certificate-permissions')
  const applicationId = given['application-id']
  const entry: AccessPolicyEntry = {
    tenantId: vault.tenantId,
    objectId,
    ...(typeof applicationId === 'string' ? { applicationId } : {}),
    permissions: {
      ...(keys === undefined ? {} : { keys }),
      ...(secrets === undefined ? {} : { secrets }),
      ...(certificates === undefined ? {} : { certificates }),
    },
  }
  const others = vault.accessPolicies.filter(
    (policy) => policy.objectId !== objectId || policy.applicationId !== entry.applicationId,
  )
  return { ...vault, accessPolicies: [...others, entry] }
}

const rowOf = (vault: Vault) => [
  vault.name,
  String(vault.enableRbacAuthorization),
  String(vault.softDeleteRetentionInDays),
  vaultScope(vault),
]

function show(given: Given, vault: Vault): number {
  if (given.json === true) print(vault)
  else {
    process.stdout.write(
      table([
        ['name', vault.name],
        ['id', vaultScope(vault)],
        ['tenant', vault.tenantId],
        ['access', vault.enableRbacAuthorization ? 'roles (RBAC)' : `${vault.accessPolicies.length} access policies`],
        ['deleted objects are kept', `${vault.softDeleteRetentionInDays} days`],
        ['purge protection', vault.enablePurgeProtection ? 'on' : 'off'],
        ['public network access', vault.publicNetworkAccess],
      ]),
    )
  }
  return 0
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** An address, or a range as address and prefix length. */
function isIpRule(rule: string): boolean {
  const [address = '', prefix, ...more] = rule.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32))
}
