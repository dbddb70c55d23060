import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DATABASE_FILE } from '../adapters/storage/index.ts'
import { openSqliteStore } from '../adapters/storage/sqlite/sqlite-store.ts'
import { SettingsRefused } from '../config/settings.ts'
import { openRootKey } from '../data-folder.ts'
import { systemRandom } from '../ports/random.ts'
import { Keyrings } from '../sealing/keyrings.ts'
import { renameDurably } from './rename-durably.ts'
import { DATA_FLAGS_HELP, dataFlagOptions, dataSettings } from './setting-flags.ts'

const HELP = `Usage: keyhaven restore --from FILE --data NEW-FOLDER [--root-key-file FILE] [--json]

Makes a data folder from a file that "keyhaven backup" wrote. The folder must not hold data yet, and the root key must be
the one of the backed-up installation; both are checked before anything is put in place.

${DATA_FLAGS_HELP}

Example: keyhaven restore --from /backups/keyhaven-monday.db --data /var/lib/keyhaven-2 --root-key-file /etc/keyhaven/root.key
`

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataFlagOptions,
      from: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  if (given.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const { from, data } = given
  if (typeof from !== 'string' || typeof data !== 'string') throw new SettingsRefused('restore needs --from and --data')
  if (!existsSync(from)) throw new SettingsRefused(`the file ${from} does not exist`)
  const target = join(data, DATABASE_FILE)
  if (existsSync(target)) throw new SettingsRefused(`${data} holds data already; restore into a new folder`)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const partial = `${target}.partial`
  rmSync(partial, { force: true })
  copyFileSync(from, partial)
  try {
    // Opens it as the server would: a wrong root key or a damaged file is found before it counts.
    const store = openSqliteStore({ file: partial })
    try {
      const provider = await openRootKey(dataSettings(given), systemRandom, store, false)
      await Keyrings.open(store, provider, systemRandom)
    } finally {
      await store.close()
    }
    renameDurably(partial, target)
  } catch (error) {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${partial}${suffix}`, { force: true })
    throw error
  }
  process.stdout.write(
    given.json === true
      ? `${JSON.stringify({ dataFolder: data })}\n`
      : `Restored into ${data}; "keyhaven doctor --data ${data}" checks every record.\n`,
  )
  return 0
}
