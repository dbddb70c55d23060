import { existsSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { SettingsRefused } from '../config/settings.ts'
import { progressLine } from './progress.ts'
import { renameDurably } from './rename-durably.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { withData } from './with-data.ts'

const HELP = `Usage: keyhaven backup --to FILE [--json]

Copies a whole installation to one file while it runs: vaults, secrets with all versions, identities, keys, audit
anchors. The copy is consistent and stays sealed: it opens with the same root key (file or passphrase) only, so keep that
apart from it. The audit log is files already; copy the folder "audit" beside it.

  --to FILE   must not exist
  --json      one JSON document instead of text
${DATA_FLAGS_HELP}

Example: keyhaven backup --to /backups/keyhaven-monday.db
`

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataFlagOptions,
      to: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  if (given.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const to = given.to
  if (typeof to !== 'string') throw new SettingsRefused('name the file to make with --to')
  if (existsSync(to)) throw new SettingsRefused(`${to} exists already; a backup never overwrites`)
  if (!existsSync(dirname(to))) throw new SettingsRefused(`the folder of ${to} does not exist`)
  return withData(given, async ({ store }) => {
    if (store.copyTo === undefined) throw new SettingsRefused(`the ${store.engine} engine cannot be backed up`)
    const partial = `${to}.partial`
    rmSync(partial, { force: true })
    const show = progressLine('copied', 'pages')
    await store.copyTo(partial, show.update)
    show.end()
    renameDurably(partial, to)
    process.stdout.write(given.json === true ? `${JSON.stringify({ file: to })}\n` : `Backed up to ${to}\n`)
    return 0
  })
}
