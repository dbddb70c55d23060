import { readFile } from 'node:fs/promises'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import { runIdentityCommand as runWith } from './identity.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { withData } from './with-data.ts'

/** Runs `keyhaven app …` and its siblings. */
export async function runIdentityCommand(noun: string, args: readonly string[]): Promise<number> {
  return runWith([noun, ...args], {
    clock: systemClock,
    random: systemRandom,
    stdout: process.stdout,
    stderr: process.stderr,
    readFile: (file) => readFile(file === '-' ? '/dev/stdin' : file),
    dataOptions: dataFlagOptions,
    dataHelp: `\n${DATA_FLAGS_HELP}\n`,
    withRecords: (values, use) => withData(values, ({ installation }) => use(installation)),
  })
}
