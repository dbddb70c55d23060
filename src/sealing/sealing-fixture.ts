/** What the tests of sealing start from: an installation in memory, opened as often as a test needs processes. */
import { createSecretKey } from 'node:crypto'
import { localKeyProvider } from '../adapters/root-keys/local-key.ts'
import { createMemoryStore } from '../adapters/storage/memory/memory-store.ts'
import { type RecordWalk, resealRecords } from '../flows/check-records.ts'
import { systemRandom } from '../ports/random.ts'
import type { RootKeyProvider } from '../ports/root-key.ts'
import type { Collection, Store } from '../ports/store.ts'
import { KEY_BYTES, Keyrings } from './keyrings.ts'
import { sealedRecords } from './sealed-records.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from './sealed-store.ts'

/** One process's view of an installation. */
export interface Process extends RecordWalk {
  readonly keyrings: Keyrings
}

/** A provider with a key of its own. */
export function newProvider(): RootKeyProvider {
  return localKeyProvider('test', createSecretKey(systemRandom.bytes(KEY_BYTES)), systemRandom)
}

/** Opens an installation as one more process; makes it where the store is empty. */
export async function openProcess(
  store: Store = createMemoryStore(),
  provider: RootKeyProvider = newProvider(),
): Promise<Process> {
  const keyrings = await Keyrings.open(store, provider, systemRandom)
  await keyrings.ensure(INSTALLATION_KEYRING)
  const recordsOf = (keyring: string): SealedRecords =>
    sealedRecords({ store, keyrings, random: systemRandom, keyring })
  return { store, keyrings, installation: recordsOf(INSTALLATION_KEYRING), recordsOf }
}

/** What `keyhaven keys rotate-vault` does. */
export async function rotateKeyring(process: Process, keyring: string): Promise<void> {
  const generation = await process.keyrings.addGeneration(keyring)
  while ((await resealRecords(process, keyring, generation, () => undefined)) > 0);
  await process.keyrings.dropOldGenerations(keyring, generation)
}

/** The bytes of a record as they lie in the store. */
export async function storedBody(store: Store, collection: Collection, key: string): Promise<Uint8Array> {
  const record = await store.read(collection, key)
  if (record === undefined) throw new Error(`there is no record ${collection} ${key}`)
  return record.body
}

/** What somebody does who can write to the data file. */
export async function plant(store: Store, collection: Collection, key: string, body: Uint8Array): Promise<void> {
  await store.commit([{ collection, key, expect: 'any', body }])
}
