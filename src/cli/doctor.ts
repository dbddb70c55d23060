import { parseArgs } from 'node:util'
import { checkRecords } from '../flows/check-records.ts'
import { progressLine } from './progress.ts'
import { DATA_FLAGS_HELP, dataFlagOptions } from './setting-flags.ts'
import { withData } from './with-data.ts'

const HELP = `Usage: keyhaven doctor [--json]

Opens every record of a data folder, values included, and every key, and reports what was changed, moved or can't be
opened. It may run beside a server and changes nothing. Exit code: 0 all well, 1 something is wrong.

${DATA_FLAGS_HELP}
`

const MAX_SHOWN = 50

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataFlagOptions, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  const given = values as Record<string, string | boolean | undefined>
  if (given.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  return withData(given, async (data) => {
    const show = progressLine('checked', 'records')
    const { checked, problems } = await checkRecords(data, data.keyrings, (done) => {
      if (done % 1000 === 0) show.update(done)
    })
    show.end()
    if (given.json === true) process.stdout.write(`${JSON.stringify({ checked, problems })}\n`)
    else {
      for (const { collection, key, problem } of problems.slice(0, MAX_SHOWN)) {
        process.stdout.write(`${collection} ${key}: ${problem}\n`)
      }
      process.stdout.write(`${checked} records checked, ${problems.length} with problems\n`)
    }
    return problems.length === 0 ? 0 : 1
  })
}
