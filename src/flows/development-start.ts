/**
 * What a development server makes at its first start: a tenant, a subscription, an app with a secret, a managed identity
 * and a vault they may use. It is remembered, with the secrets sealed, so later starts and `keyhaven env` can print it
 * again.
 */
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Keyrings } from '../sealing/keyrings.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import { createManagedIdentity, createSubscription, createTenant } from './identity-administration.ts'
import { createApplication } from './identity-applications.ts'
import { findDefaultTenant, listSubscriptions } from './identity-directory.ts'
import { assignRole } from './manage-role-assignments.ts'
import { createVault, findVault } from './manage-vaults.ts'

export interface DevelopmentFacts {
  readonly tenantId: string
  readonly subscriptionId: string
  readonly clientId: string
  /** Object id of the app's service principal. */
  readonly principalId: string
  readonly vaultName: string
}

export interface DevelopmentSecrets {
  readonly clientSecret: string
  readonly identityHeader: string
}

/** Written by `keyhaven init`: an app that may do everything is never added to such an installation. */
export const PRODUCTION_MARK = 'production'

export class DevelopmentRefused extends Error {
  override readonly name = 'DevelopmentRefused'
}

const RECORD = 'development'
const ROLE = 'Key Vault Administrator'

export interface DevelopmentParts {
  readonly installation: SealedRecords
  readonly keyrings: Keyrings
  readonly clock: Clock
  readonly random: Random
}

export async function readDevelopment(
  installation: SealedRecords,
): Promise<{ facts: DevelopmentFacts; secrets: DevelopmentSecrets } | undefined> {
  const record = await installation.read<DevelopmentFacts>('meta', RECORD)
  if (record === undefined) return undefined
  return { facts: record.meta, secrets: JSON.parse(record.openValue().revealText()) as DevelopmentSecrets }
}

/** Makes everything, once. A start that was interrupted in the middle goes on with what is there. */
export async function ensureDevelopment(
  parts: DevelopmentParts,
  vaultName: string,
): Promise<{ facts: DevelopmentFacts; secrets: DevelopmentSecrets; isNew: boolean }> {
  const { installation } = parts
  const existing = await readDevelopment(installation)
  if (existing === undefined && (await installation.read('meta', PRODUCTION_MARK)) !== undefined) {
    throw new DevelopmentRefused(
      'this data folder was prepared by "keyhaven init" for production: start it with "keyhaven serve", or name another folder with --data',
    )
  }
  if (existing !== undefined) return { ...existing, isNew: false }
  const identityParts = { records: installation, clock: parts.clock, random: parts.random }
  const { tenantId } =
    (await findDefaultTenant(installation)) ?? (await createTenant(identityParts, { displayName: 'Development' }))
  const { subscriptionId } =
    (await listSubscriptions(installation))[0] ??
    (await createSubscription(identityParts, { displayName: 'Development', tenantId }))
  const app = await createApplication(identityParts, { displayName: 'Development app', tenantId })
  const managed = await createManagedIdentity(identityParts, {
    displayName: 'development-identity',
    tenantId,
    isAvailableToImds: true,
  })
  const vault =
    (await findVault(installation, vaultName))?.meta ??
    (await createVault(parts, { name: vaultName, subscriptionId, tenantId }))
  // On the resource group, so that vaults made later can be used at once too.
  const scope = `/subscriptions/${subscriptionId}/resourceGroups/${vault.resourceGroup}`
  for (const principalId of [app.objectId, managed.identity.objectId]) {
    await assignRole(parts, { scope, principalId, role: ROLE })
  }
  const facts: DevelopmentFacts = {
    tenantId,
    subscriptionId,
    clientId: app.clientId,
    principalId: app.objectId,
    vaultName: vault.name,
  }
  if (app.clientSecret === undefined || managed.endpointHeader === undefined) {
    throw new Error('a new app and a new managed identity come with secrets')
  }
  const secrets: DevelopmentSecrets = { clientSecret: app.clientSecret, identityHeader: managed.endpointHeader }
  await installation.commit([
    {
      collection: 'meta',
      key: RECORD,
      expect: 'absent',
      meta: facts,
      value: SecretBytes.fromText(JSON.stringify(secrets)),
    },
  ])
  return { facts, secrets, isNew: true }
}
