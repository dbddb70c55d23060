/**
 * Fills a vault for benchmarks, without the network: what it stores is what requests would have stored, sealed the same
 * way by the same code, in larger commits. Not listed by --help: the names must be new, and nothing is audited.
 */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { newSecretVersion } from '../domain/secrets/secret.ts'
import { isObjectName, nameKeyOf, versionFrom } from '../domain/vault-objects/names.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import { findVault, VaultRefused } from '../flows/manage-vaults.ts'
import { secretKey } from '../flows/secret-records.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import type { SealedChange } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { withData } from './with-data.ts'

const HELP = `Usage: keyhaven bench-seed --vault NAME [OPTIONS] < lines

For benchmarks: each line of standard input is the name of a new secret, a space, and its value.

${DATA_FLAGS_HELP}
`

const SECRETS_PER_COMMIT = 2_000

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataFlagOptions, vault: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true || typeof values.vault !== 'string') {
    process.stdout.write(HELP)
    return values.help === true ? 0 : 2
  }
  const vaultName = values.vault
  return withData(values, async ({ installation, recordsOf }) => {
    const vault = await findVault(installation, vaultName)
    if (vault === undefined) throw new VaultRefused(`there is no vault ${vaultName}`)
    const { vaultId } = vault.meta
    const records = recordsOf(vaultId)
    let changes: SealedChange[] = []
    for await (const line of createInterface({ input: process.stdin })) {
      changes.push(newSecret(vaultId, line))
      if (changes.length < SECRETS_PER_COMMIT) continue
      await records.commit(changes)
      changes = []
    }
    if (changes.length > 0) await records.commit(changes)
    return 0
  })
}

function newSecret(vaultId: string, line: string): SealedChange {
  const [name = '', ...value] = line.split(' ')
  if (!isObjectName(name)) throw new Error(`a line of the input does not begin with the name of a secret`)
  return {
    collection: 'secrets',
    key: secretKey(vaultId, nameKeyOf(name)),
    expect: 'absent',
    meta: newSecretVersion(name, versionFrom(systemRandom.bytes(16)), {}, unixSecondsOf(systemClock.nowMs())),
    value: SecretBytes.fromText(value.join(' ')),
  }
}
