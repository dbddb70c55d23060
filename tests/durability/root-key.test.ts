import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openSqliteStore } from '../../src/adapters/storage/sqlite/sqlite-store.ts'
import { loadSettings, type Settings, SettingsRefused } from '../../src/config/settings.ts'
import { openDataFolder, openRootKey } from '../../src/data-folder.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { RootKeyRefused } from '../../src/ports/root-key.ts'
import { SecretBytes } from '../../src/sealing/secret-bytes.ts'

const root = mkdtempSync(join(tmpdir(), 'keyhaven-root-key-'))
after(() => {
  rmSync(root, { recursive: true, force: true })
})

const PASSPHRASE = 'a passphrase with an é in it'
const VALUE = 'sealed under the root key'

const newFolder = () => mkdtempSync(join(root, 'data-'))

function settingsOf(dataFolder: string, more: Partial<Settings> = {}): Settings {
  return { ...loadSettings('development', {}, {}), dataFolder, ...more }
}

/** Settings with the passphrase in a file of its own, as `--passphrase-file` takes it. */
function withPassphrase(dataFolder: string, passphrase: string): Settings {
  const passphraseFile = join(mkdtempSync(join(root, 'passphrase-')), 'passphrase')
  writeFileSync(passphraseFile, `${passphrase}\nwhat follows is not part of it\n`, { mode: 0o600 })
  return settingsOf(dataFolder, { rootKey: 'passphrase', passphraseFile })
}

async function open(settings: Settings, mayCreate = false) {
  return openDataFolder({ settings, random: systemRandom, mayCreate })
}

/** New data with one record. */
async function make(settings: Settings): Promise<void> {
  const data = await open(settings, true)
  await data.installation.commit([
    { collection: 'meta', key: 'test', expect: 'absent', meta: {}, value: SecretBytes.fromText(VALUE) },
  ])
  await data.close()
}

async function assertOpens(settings: Settings): Promise<void> {
  const data = await open(settings)
  try {
    assert.equal((await data.installation.read('meta', 'test'))?.openValue().revealText(), VALUE)
  } finally {
    await data.close()
  }
}

async function assertRefused(
  settings: Settings,
  sentence: RegExp,
  kind: abstract new (...parts: never[]) => Error = RootKeyRefused,
): Promise<void> {
  await assert.rejects(
    () => open(settings),
    (error: unknown) => {
      assert.ok(error instanceof kind, String(error))
      assert.match(error.message, sentence)
      assert.ok(!error.message.includes(PASSPHRASE))
      return true
    },
  )
}

describe('a root key file', () => {
  test('is made with new data, for its owner only, and opens it again', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    assert.equal(statSync(join(folder, 'root.key')).mode & 0o777, 0o600)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('root.key')),
      ['root.key'],
    )
    await assertOpens(settingsOf(folder))
  })

  test('is never made for data that is there', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    rmSync(join(folder, 'root.key'))
    await assertRefused(settingsOf(folder), /^the root key file .* does not exist, and the data cannot be opened/)
    const data = open(settingsOf(folder), true)
    await assert.rejects(data, RootKeyRefused)
    assert.ok(!existsSync(join(folder, 'root.key')))
  })

  test('of other data is refused with a sentence', async () => {
    const [folder, other] = [newFolder(), newFolder()]
    await make(settingsOf(folder))
    await make(settingsOf(other))
    await assertRefused(
      settingsOf(folder, { rootKeyFile: join(other, 'root.key') }),
      /^the file root key is not the one that sealed this data$/,
    )
    await assertOpens(settingsOf(folder))
  })

  test('that others can read is refused with what to do', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(join(folder, 'root.key'), mode)
      await assertRefused(settingsOf(folder), /can be read by others .* run chmod 600/)
    }
    chmodSync(join(folder, 'root.key'), 0o600)
    await assertOpens(settingsOf(folder))
  })

  test('that is something else, or was changed, is refused without being quoted', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    const file = join(folder, 'root.key')
    const whole = readFileSync(file, 'utf8')
    for (const text of [
      '',
      'something else\n',
      whole.slice(0, -2),
      whole.toUpperCase(),
      `${whole.slice(0, 30)}${PASSPHRASE}`,
    ]) {
      writeFileSync(file, text)
      await assertRefused(settingsOf(folder), /^the file .*root\.key is not a root key file of Keyhaven$/)
    }
    writeFileSync(
      file,
      whole.replace(/[0-9a-f]\n$/, (last) => (last === '0\n' ? '1\n' : '0\n')),
    )
    await assertRefused(settingsOf(folder), /^the file root key is not the one that sealed this data$/)
  })
})

describe('a passphrase', () => {
  test('opens what it sealed, composed or not, and no other one does', async () => {
    const folder = newFolder()
    await make(withPassphrase(folder, PASSPHRASE.normalize('NFC')))
    await assertOpens(withPassphrase(folder, PASSPHRASE.normalize('NFD')))
    await assertRefused(
      withPassphrase(folder, `${PASSPHRASE}!`),
      /^the passphrase root key is not the one that sealed this data$/,
    )
    assert.ok(!existsSync(join(folder, 'root.key')))
  })

  test('that is short or missing is refused with what to do', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    await assertRefused(
      withPassphrase(folder, ''),
      /give it with --passphrase-file or in KEYHAVEN_PASSPHRASE$/,
      SettingsRefused,
    )
    await assert.rejects(() => open(withPassphrase(newFolder(), 'eleven char'), true), /fewer than 12 characters/)
  })

  test('for data that a key file protects is refused, and changes nothing', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    await assertRefused(withPassphrase(folder, PASSPHRASE), /^this data is not protected by a passphrase/)
    await assertOpens(settingsOf(folder))
  })

  test('of two processes that make new data at once is salted once', async () => {
    const settings = withPassphrase(newFolder(), PASSPHRASE)
    const opened = await Promise.all([open(settings, true), open(settings, true)])
    for (const data of opened) await data.close()
    await (await open(settings)).close()
  })

  test('that data is moved to can open it later, and the file it came from cannot', async () => {
    const folder = newFolder()
    await make(settingsOf(folder))
    const data = await open(settingsOf(folder))
    const next = withPassphrase(folder, PASSPHRASE)
    await data.keyrings.changeProvider(await openRootKey(next, systemRandom, data.store, true))
    await data.close()
    await assertOpens(next)
    await assertRefused(settingsOf(folder), /^the file root key is not the one that sealed this data$/)
  })
})

describe('a data folder', () => {
  test('whose first start was interrupted before it had keys is begun anew', async () => {
    const folder = newFolder()
    await openSqliteStore({ file: join(folder, 'keyhaven.db') }).close()
    await assertRefused(settingsOf(folder), /^there is no data in /, SettingsRefused)
    await make(settingsOf(folder))
    await assertOpens(settingsOf(folder))
  })
})
