/**
 * Opening what a server or a command works on: the store, the keys in front of it, and records under each keyring. The
 * composition root uses it; nothing below does.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASE_FILE, storageEngines } from './adapters/storage/index.ts'
import { type Settings, SettingsRefused } from './config/settings.ts'
import type { Random } from './ports/random.ts'
import type { RootKeyProvider } from './ports/root-key.ts'
import type { Change, Store } from './ports/store.ts'
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
  if (isPersistent && !hasData && !mayCreate) {
    throw new SettingsRefused(
      `there is no data in ${folder}: start a server on it first, or name another folder with --data`,
    )
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const store = forward === undefined ? await openStore(engine, folder) : await openReader(folder, forward)
  try {
    const provider = await openRootKey(settings, random, store, !hasData)
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

/** The provider the settings name. The key file is only ever made together with the data it protects. */
export async function openRootKey(
  settings: Settings,
  random: Random,
  store: Store,
  isNew: boolean,
): Promise<RootKeyProvider> {
  if (settings.rootKey === 'passphrase') {
    const { passphraseRootKey, SALT_BYTES } = await import('./adapters/root-keys/passphrase/passphrase-root-key.ts')
    const salt = (await store.read('meta', SALT_KEY))?.body ?? random.bytes(SALT_BYTES)
    const provider = await passphraseRootKey({ passphrase: readPassphrase(settings), salt, random })
    if (isNew) await store.commit([{ collection: 'meta', key: SALT_KEY, expect: 'any', body: salt }])
    return provider
  }
  const { fileRootKey } = await import('./adapters/root-keys/file/file-root-key.ts')
  const file = settings.rootKeyFile === '' ? join(settings.dataFolder, 'root.key') : settings.rootKeyFile
  return fileRootKey({ file, mayCreate: isNew, random })
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
