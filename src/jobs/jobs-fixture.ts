/** What the tests of jobs start from: an installation in memory with vaults, a clock they move, and a log they read. */
import { createFakeClock, type FakeClock } from '../../tests/support/fake-clock.ts'
import type { AuditRecord } from '../domain/audit/audit-record.ts'
import type { DeletedSecretMeta, SecretMeta } from '../domain/secrets/secret.ts'
import { newDeletion } from '../domain/vault-objects/deletion.ts'
import { nameKeyOf, type ObjectName, versionFrom } from '../domain/vault-objects/names.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import type { Vault } from '../domain/vaults/vault.ts'
import { createVault } from '../flows/manage-vaults.ts'
import { scheduledPurgeKey, secretKey, secretVersionKey } from '../flows/secret-records.ts'
import type { AuditSink } from '../ports/audit-sink.ts'
import { systemRandom } from '../ports/random.ts'
import { openProcess, type Process } from '../sealing/sealing-fixture.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import type { JobRunnerParts } from './job.ts'

export interface JobTest extends Process {
  readonly clock: FakeClock
  readonly parts: JobRunnerParts
  readonly recorded: AuditRecord[]
  readonly failures: unknown[]
  /** Lets the next records be refused, while it is set. */
  sinkFailure: Error | undefined
  newVault(name?: string): Promise<Vault>
}

export async function startJobTest(): Promise<JobTest> {
  const process = await openProcess()
  const clock = createFakeClock()
  const recorded: AuditRecord[] = []
  const failures: unknown[] = []
  const sink: AuditSink = {
    async append(record) {
      if (test.sinkFailure !== undefined) throw test.sinkFailure
      recorded.push(record)
    },
    close: async () => undefined,
  }
  const test: JobTest = {
    ...process,
    clock,
    recorded,
    failures,
    sinkFailure: undefined,
    parts: {
      store: process.store,
      installation: process.installation,
      recordsOf: (vaultId) => process.recordsOf(vaultId),
      clock,
      random: systemRandom,
      sink,
      onFailure: (error) => failures.push(error),
    },
    newVault: (name = 'vault-a') =>
      createVault(
        { installation: process.installation, keyrings: process.keyrings, clock, random: systemRandom },
        { name, subscriptionId: 'subscription', tenantId: 'tenant', softDeleteRetentionInDays: 7 },
      ),
  }
  return test
}

/** A secret that was deleted now, with an older version, as the operations leave it. */
export async function putDeleted(test: JobTest, { vaultId, softDeleteRetentionInDays }: Vault, name: string) {
  const objectName = name as ObjectName
  const key = nameKeyOf(objectName)
  const now = unixSecondsOf(test.clock.nowMs())
  const versionMeta = (): SecretMeta => ({
    name: objectName,
    version: versionFrom(systemRandom.bytes(16)),
    attributes: { enabled: true, created: now, updated: now },
  })
  const older = versionMeta()
  const deletion = newDeletion(now, softDeleteRetentionInDays, 0)
  const meta: DeletedSecretMeta = { ...versionMeta(), deletion }
  await test.recordsOf(vaultId).commit([
    {
      collection: 'deletedSecrets',
      key: secretKey(vaultId, key),
      expect: 'absent',
      meta,
      value: SecretBytes.fromText(`value of ${name}`),
    },
    {
      collection: 'secretVersions',
      key: secretVersionKey(vaultId, key, older.version),
      expect: 'absent',
      meta: older,
      value: SecretBytes.fromText(`older value of ${name}`),
    },
    { collection: 'scheduledPurges', key: scheduledPurgeKey(deletion, vaultId, key), expect: 'absent', meta: {} },
  ])
}

/** How many records a vault has in a collection. */
export async function countIn(test: JobTest, collection: 'deletedSecrets' | 'secretVersions' | 'scheduledPurges') {
  return (await test.store.page(collection, { prefix: '', limit: 10_000 })).length
}
