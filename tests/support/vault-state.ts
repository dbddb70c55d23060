/** What lies in the store of one vault, opened and put so that two vaults with the same history are equal. */
import assert from 'node:assert/strict'
import type { DataFolder } from '../../src/data-folder.ts'
import type { SecretVersionMeta } from '../../src/domain/secrets/secret.ts'
import type { Collection } from '../../src/ports/store.ts'

const COLLECTIONS_OF_A_VAULT: readonly Collection[] = ['secrets', 'secretVersions', 'deletedSecrets', 'scheduledPurges']
const MOST_RECORDS = 10_000

/** Lines of text, sorted; version ids, which are random, are left out. Throws when a record does not open. */
export async function vaultState(data: DataFolder, vaultId: string): Promise<readonly string[]> {
  const lines: string[] = []
  const records = data.recordsOf(vaultId)
  for (const collection of COLLECTIONS_OF_A_VAULT) {
    const prefix = collection === 'scheduledPurges' ? '' : `${vaultId}/`
    for (const { key } of await data.store.page(collection, { prefix, limit: MOST_RECORDS })) {
      if (!key.includes(vaultId)) continue
      const record = await records.read<Partial<SecretVersionMeta>>(collection, key)
      if (record === undefined) continue
      const { version = '', ...others } = record.meta
      const value = record.hasValue ? record.openValue().revealText() : ''
      lines.push(
        `${collection} ${key.replace(vaultId, 'VAULT').replace(version, 'VERSION')} ${JSON.stringify(others)} ${value}`,
      )
    }
  }
  return lines.sort()
}

/** What has to be true between records at any moment, whatever failed: they are of one whole. */
export async function assertConsistent({ store }: Pick<DataFolder, 'store'>): Promise<void> {
  const keysOf = async (collection: Collection) =>
    (await store.page(collection, { prefix: '', limit: MOST_RECORDS })).map(({ key }) => key)
  const [live, deleted] = [new Set(await keysOf('secrets')), new Set(await keysOf('deletedSecrets'))]
  for (const key of live) assert.ok(!deleted.has(key), `${key} is live and deleted at once`)
  for (const key of await keysOf('secretVersions')) {
    const secret = key.slice(0, key.lastIndexOf('/'))
    assert.ok(live.has(secret) || deleted.has(secret), `the version ${key} belongs to no secret`)
  }
  const scheduled = new Set<string>()
  for (const key of await keysOf('scheduledPurges')) {
    const [, vaultId = '', kind, name = ''] = key.split('/')
    if (kind !== 'secret') continue
    scheduled.add(`${vaultId}/${name}`)
    assert.ok(deleted.has(`${vaultId}/${name}`), `${key} is scheduled and not deleted`)
  }
  for (const key of deleted) assert.ok(scheduled.has(key), `${key} is deleted and never purged`)
}
