import { parseArgs } from 'node:util'
import { SettingsRefused } from '../config/settings.ts'
import { openRootKey } from '../data-folder.ts'
import { resealRecords } from '../flows/check-records.ts'
import { findVault, listVaults } from '../flows/manage-vaults.ts'
import { systemRandom } from '../ports/random.ts'
import { INSTALLATION_KEYRING } from '../sealing/sealed-store.ts'
import { progressLine } from './progress.ts'
import { DATA_FLAGS_HELP, dataFlagOptions, dataSettings } from './setting-flags.ts'
import { withData } from './with-data.ts'

const HELP = `Usage: keyhaven keys rotate-root
       keyhaven keys rotate-vault (--vault NAME | --all)
       keyhaven keys change-root-key --new-root-key file --new-root-key-file FILE
       keyhaven keys change-root-key --new-root-key passphrase --new-passphrase-file FILE

  rotate-root      a new root key; every vault's key is wrapped anew
  rotate-vault     a new key for a vault (--all: for all of them and for identities and settings); every record is
                   sealed anew, then the old key is destroyed
  change-root-key  what protects the root key: another file, or a passphrase. Start the server with the new one afterwards

All of it works while a server runs, shows its progress, and goes on when it is started again after an interruption.
${DATA_FLAGS_HELP}

Example: keyhaven keys rotate-vault --vault dev
`

const MAX_PASSES = 10

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...dataFlagOptions,
      vault: { type: 'string' },
      all: { type: 'boolean' },
      'new-root-key': { type: 'string' },
      'new-root-key-file': { type: 'string' },
      'new-passphrase-file': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  const [verb] = positionals
  if (given.help === true || verb === undefined) {
    process.stdout.write(HELP)
    return given.help === true ? 0 : 2
  }
  return withData(given, async (data) => {
    const { keyrings, installation } = data
    switch (verb) {
      case 'rotate-root': {
        const show = progressLine('wrapped', 'keys')
        await keyrings.rotateRootKey(show.update)
        show.end()
        process.stdout.write('The root key is a new one.\n')
        return 0
      }
      case 'rotate-vault': {
        const vaults = given.all === true ? await listVaults(installation) : [await vaultNamed(given.vault)]
        const names = vaults.map(({ vaultId, name }) => ({ keyring: vaultId, name }))
        if (given.all === true) names.unshift({ keyring: INSTALLATION_KEYRING, name: 'identities and settings' })
        for (const { keyring, name } of names) {
          const generation = await keyrings.addGeneration(keyring)
          const show = progressLine(`${name}: sealed`, 'records')
          let left = 1
          for (let pass = 0; left > 0 && pass < MAX_PASSES; pass++) {
            left = await resealRecords(data, keyring, generation, show.update)
          }
          show.end()
          if (left > 0) {
            throw new Error(`${name}: ${left} records kept changing; run it again, the old key stays until then`)
          }
          await keyrings.dropOldGenerations(keyring, generation)
          process.stdout.write(`${name}: a new key; the old one is destroyed.\n`)
        }
        await data.store.scrub?.()
        return 0
      }
      case 'change-root-key': {
        const next = await openRootKey(nextSettings(given), systemRandom, data.store, true)
        await keyrings.changeProvider(next)
        await next.close()
        process.stdout.write('The root key is protected by the new one; start the server with it from now on.\n')
        return 0
      }
      default:
        process.stderr.write(`keyhaven keys: there is no "${verb}"; keyhaven keys --help lists what there is\n`)
        return 2
    }

    async function vaultNamed(name: string | boolean | undefined) {
      if (typeof name !== 'string') throw new SettingsRefused('name the vault with --vault, or say --all')
      const found = await findVault(installation, name)
      if (found === undefined) throw new SettingsRefused(`there is no vault ${name}`)
      return found.meta
    }
  })
}

function nextSettings(given: Readonly<Record<string, string | boolean | undefined>>) {
  const kind = given['new-root-key']
  const file = given['new-root-key-file']
  if (kind !== 'file' && kind !== 'passphrase') throw new SettingsRefused('--new-root-key is file or passphrase')
  if (kind === 'file' && typeof file !== 'string')
    throw new SettingsRefused('name the new file with --new-root-key-file')
  return {
    ...dataSettings(given),
    rootKey: kind,
    rootKeyFile: typeof file === 'string' ? file : '',
    passphraseFile: typeof given['new-passphrase-file'] === 'string' ? given['new-passphrase-file'] : '',
  }
}
