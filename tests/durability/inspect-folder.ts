/** What `keyhaven doctor` and `keyhaven audit verify` say of a data folder, and more, without starting processes. */
import { join } from 'node:path'
import { verifyAuditFolder } from '../../src/adapters/audit-sinks/file/verify-audit-folder.ts'
import { loadSettings } from '../../src/config/settings.ts'
import { openDataFolder } from '../../src/data-folder.ts'
import { openAuditKey, sealedAnchors } from '../../src/flows/audit-keys.ts'
import { checkRecords } from '../../src/flows/check-records.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { assertConsistent } from '../support/vault-state.ts'

/** Answers a sentence for each thing that is wrong; it may run beside a server that has nothing to do. */
export async function inspectFolder(dataFolder: string): Promise<readonly string[]> {
  const found: string[] = []
  const settings = { ...loadSettings('development', {}, {}), dataFolder }
  const data = await openDataFolder({ settings, random: systemRandom, mayCreate: false })
  try {
    const { problems } = await checkRecords(data, data.keyrings, () => undefined)
    for (const { collection, key, problem } of problems) found.push(`${collection} ${key}: ${problem}`)
    await assertConsistent(data).catch((error: unknown) => {
      found.push(error instanceof Error ? error.message : String(error))
    })
    const audit = await verifyAuditFolder({
      folder: join(dataFolder, 'audit'),
      key: (await openAuditKey(data.installation, systemRandom)).reveal(),
      anchors: sealedAnchors(data.installation),
    })
    for (const { stream, sentence } of audit.findings) found.push(`audit ${stream}: ${sentence}`)
  } finally {
    await data.close()
  }
  return found
}
