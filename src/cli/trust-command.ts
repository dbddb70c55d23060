import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { dataSettings, splitDataFlags } from './setting-flags.ts'
import { runTrustCommand } from './trust.ts'

const NO_SUCH_PROGRAM = 127

export async function run(args: readonly string[]): Promise<number> {
  const { values, rest } = splitDataFlags(args)
  return runTrustCommand(rest, {
    dataFolder: resolve(dataSettings(values).dataFolder),
    platform: process.platform,
    stdout: process.stdout,
    stderr: process.stderr,
    async run(command, commandArgs) {
      const { status, stdout, stderr, error } = spawnSync(command, commandArgs, { encoding: 'utf8' })
      return error === undefined
        ? { code: status ?? 1, output: `${stdout}${stderr}` }
        : { code: NO_SUCH_PROGRAM, output: error.message }
    },
  })
}
