/** Making, listing and changing vaults as resources: for the CLI, the start-up of development and the control plane. */

import { MAX_COMMIT_ATTEMPTS } from '../domain/limits/limits.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import type { Vault } from '../domain/vaults/vault.ts'
import { isResourceGroup, isRetentionDays, isVaultName } from '../domain/vaults/vault-rules.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict } from '../ports/store.ts'
import type { Keyrings } from '../sealing/keyrings.ts'
import type { SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'

export interface VaultParts {
  readonly installation: SealedRecords
  readonly keyrings: Keyrings
  readonly clock: Clock
  readonly random: Random
}

/** What a vault needs beyond its name; everything else has the service's default. */
export type NewVault = Pick<Vault, 'name' | 'subscriptionId' | 'tenantId'> &
  Partial<Omit<Vault, 'vaultId' | 'created' | 'name' | 'subscriptionId' | 'tenantId'>>

/** The vault can't be made or changed as asked; the message says why. */
export class VaultRefused extends Error {
  override readonly name = 'VaultRefused'
}

/** Makes a vault with a key of its own, in one commit. */
export async function createVault(
  { installation, keyrings, clock, random }: VaultParts,
  wanted: NewVault,
): Promise<Vault> {
  const vault: Vault = {
    vaultId: random.uuid(),
    resourceGroup: 'keyhaven',
    location: 'local',
    sku: 'standard',
    tags: {},
    enableRbacAuthorization: true,
    accessPolicies: [],
    softDeleteRetentionInDays: 90,
    enablePurgeProtection: false,
    publicNetworkAccess: 'Enabled',
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [] },
    created: unixSecondsOf(clock.nowMs()),
    ...wanted,
  }
  requireValid(vault)
  for (let attempt = 1; ; attempt++) {
    try {
      await installation.commit(
        [
          {
            collection: 'vaultNames',
            key: vault.name.toLowerCase(),
            expect: 'absent',
            meta: { vaultId: vault.vaultId },
          },
          { collection: 'vaults', key: vault.vaultId, expect: 'absent', meta: vault },
        ],
        await keyrings.newKeyringChanges(vault.vaultId),
      )
      return vault
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      // The root key was rotated meanwhile: the vault's key has to be wrapped by the new one.
      if (error.collection === 'rootKeys' && attempt < MAX_COMMIT_ATTEMPTS) continue
      throw new VaultRefused(`the vault name ${vault.name} is already in use`, { cause: error })
    }
  }
}

export async function findVault(installation: SealedRecords, name: string): Promise<SealedRecord<Vault> | undefined> {
  const pointer = await installation.read<{ vaultId: string }>('vaultNames', name.toLowerCase())
  return pointer === undefined ? undefined : installation.read<Vault>('vaults', pointer.meta.vaultId)
}

/** Every vault, by name. */
export async function listVaults(installation: SealedRecords): Promise<readonly Vault[]> {
  const vaults: Vault[] = []
  let after: string | undefined
  for (;;) {
    const page = await installation.page<Vault>('vaults', {
      prefix: '',
      limit: 500,
      ...(after === undefined ? {} : { after }),
    })
    vaults.push(...page.map(({ meta }) => meta))
    after = page.at(-1)?.key
    if (after === undefined) break
  }
  return vaults.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
}

/** Changes a vault by a pure function of what it is now. Refuses what would break a rule. */
export async function changeVault(
  installation: SealedRecords,
  name: string,
  change: (vault: Vault) => Vault,
): Promise<Vault> {
  const record = await findVault(installation, name)
  if (record === undefined) throw new VaultRefused(`there is no vault ${name}`)
  const changed = change(record.meta)
  requireValid(changed)
  if (record.meta.enablePurgeProtection && !changed.enablePurgeProtection) {
    throw new VaultRefused('purge protection cannot be switched off again')
  }
  await installation.commit([{ collection: 'vaults', key: record.key, expect: record.revision, meta: changed }])
  return changed
}

function requireValid(vault: Vault): void {
  if (!isVaultName(vault.name)) {
    throw new VaultRefused(
      `"${vault.name}" is no vault name: 3 to 24 letters, digits and hyphens, starting with a letter, no two hyphens in a row`,
    )
  }
  if (!isResourceGroup(vault.resourceGroup)) {
    throw new VaultRefused(`"${vault.resourceGroup}" is no resource group: letters, digits and _ . ( ) -`)
  }
  if (!isRetentionDays(vault.softDeleteRetentionInDays)) {
    throw new VaultRefused('deleted objects are kept for 7 to 90 days')
  }
}
