import { join, resolve } from 'node:path'
import { readAuditTail } from '../adapters/audit-sinks/file/read-audit-tail.ts'
import { verifyAuditFolder } from '../adapters/audit-sinks/file/verify-audit-folder.ts'
import { openAuditKey, sealedAnchors } from '../flows/audit-keys.ts'
import { systemRandom } from '../ports/random.ts'
import { runAuditCommand } from './audit.ts'
import { dataSettings, splitDataFlags } from './setting-flags.ts'
import { withData } from './with-data.ts'

export async function run(args: readonly string[]): Promise<number> {
  const { values, rest } = splitDataFlags(args)
  const folder = join(resolve(dataSettings(values).dataFolder), 'audit')
  return runAuditCommand(rest, {
    verify: ({ archivedThrough }) =>
      withData(values, async ({ installation }) => {
        const key = await openAuditKey(installation, systemRandom)
        return verifyAuditFolder({ folder, key: key.reveal(), anchors: sealedAnchors(installation), archivedThrough })
      }),
    tail: (count) => readAuditTail(folder, count),
    stdout: process.stdout,
    stderr: process.stderr,
  })
}
