/**
 * Opening what a server or a command works on: the store, the keys in front of it, and records under each keyring. The
 * composition root uses it; nothing below does.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASE_FILE, storageEngines } from './adapters/storage/index.ts'
import { type Settings, SettingsRefused } from './config/settings.ts'
import type { Random } from './ports/random.ts'
import { type RootKeyProvider, RootKeyRefused } from './ports/root-key.ts'
import { type Change, type Store, StoreConflict } from './ports/store.ts'
import { type BackupSealer, backupSealer } from './sealing/backup-blob.ts'
import { Keyrings } from './sealing/keyrings.ts'
import { sealedRecords } from './sealing/sealed-records.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from './sealing/sealed-store.ts'

export interface DataFolder {
  readonly folder: string
  readonly store: Store
  readonly keyrings: Keyrings
  readonly installation: SealedRecords
  /** Records of one vault. */
  recordsOf(vaultId: string): SealedRecords
  readonly backups: BackupSealer
  close(): Promise<void>
}

export interface OpenOptions {
  readonly settings: Settings
  readonly random: Random
  /** Makes the folder and its root key when they do not exist. */
  readonly mayCreate: boolean
  /** For processes that leave writing to another one. */
  readonly forward?: (changes: readonly Change[]) => Promise<void>
}

const MAX_KEPT_VAULTS = 10_000
const SALT_KEY = 'passphraseSalt'

export async function openDataFolder({ settings, random, mayCreate, forward }: OpenOptions): Promise<DataFolder> {
  const { dataFolder: folder, engine } = settings
  const isPersistent = engine !== 'memory'
  const hasData = isPersistent && existsSync(join(folder, DATABASE_FILE))
  if (isPersistent && !hasData && !mayCreate) throw noData(folder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const store = forward === undefined ? await openStore(engine, folder) : await openReader(folder, forward)
  try {
    // A start that was interrupted leaves a data file without keys: nothing was sealed yet, so it begins anew.
    const isNew = !(await Keyrings.exist(store))
    if (isNew && !mayCreate) throw noData(folder)
    const provider = await openRootKey(settings, random, store, isNew)
    const keyrings = await Keyrings.open(store, provider, random)
    await keyrings.ensure(INSTALLATION_KEYRING)
    const installation = sealedRecords({ store, keyrings, random, keyring: INSTALLATION_KEYRING })
    const perVault = new Map<string, SealedRecords>()
    return {
      folder,
      store,
      keyrings,
      installation,
      backups: backupSealer(keyrings),
      recordsOf(vaultId) {
        const known = perVault.get(vaultId)
        if (known !== undefined) return known
        const records = sealedRecords({ store, keyrings, random, keyring: vaultId })
        if (perVault.size >= MAX_KEPT_VAULTS) perVault.clear()
        perVault.set(vaultId, records)
        return records
      },
      async close() {
        await provider.close()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openStore(engine: string, folder: string): Promise<Store> {
  const open = storageEngines[engine]
  if (open === undefined) throw new SettingsRefused(`there is no storage engine "${engine}"`)
  return open({ folder })
}

async function openReader(folder: string, forward: NonNullable<OpenOptions['forward']>): Promise<Store> {
  const { openSqliteStore } = await import('./adapters/storage/sqlite/sqlite-store.ts')
  return openSqliteStore({ file: join(folder, DATABASE_FILE), forward })
}

const noData = (folder: string) =>
  new SettingsRefused(`there is no data in ${folder}: start a server on it first, or name another folder with --data`)

/**
 * The provider the settings name. Its key file or salt is made where `mayCreate` allows it, which is only for new data
 * and for a change to this provider: without them, data that is there could never be opened again.
 */
export async function openRootKey(
  settings: Settings,
  random: Random,
  store: Store,
  mayCreate: boolean,
): Promise<RootKeyProvider> {
  if (settings.rootKey === 'passphrase') {
    const { passphraseRootKey, SALT_BYTES } = await import('./adapters/root-keys/passphrase/passphrase-root-key.ts')
    const passphrase = readPassphrase(settings)
    const salt = (await store.read('meta', SALT_KEY))?.body
    if (salt !== undefined) return passphraseRootKey({ passphrase, salt, random })
    if (!mayCreate) throw new RootKeyRefused('this data is not protected by a passphrase: name its --root-key')
    const fresh = random.bytes(SALT_BYTES)
    const provider = await passphraseRootKey({ passphrase, salt: fresh, random })
    try {
      await store.commit([{ collection: 'meta', key: SALT_KEY, expect: 'absent', body: fresh }])
      return provider
    } catch (error) {
      // Another process was first; its salt is the one.
      if (error instanceof StoreConflict) return openRootKey(settings, random, store, mayCreate)
      throw error
    }
  }
  const { fileRootKey } = await import('./adapters/root-keys/file/file-root-key.ts')
  const file = settings.rootKeyFile === '' ? join(settings.dataFolder, 'root.key') : settings.rootKeyFile
  return fileRootKey({ file, mayCreate, random })
}

function readPassphrase(settings: Settings): string {
  const given =
    settings.passphraseFile === ''
      ? process.env.KEYHAVEN_PASSPHRASE
      : readFileSync(settings.passphraseFile, 'utf8').split('\n')[0]
  if (given === undefined || given === '') {
    throw new SettingsRefused('the root key is a passphrase: give it with --passphrase-file or in KEYHAVEN_PASSPHRASE')
  }
  return given
}
