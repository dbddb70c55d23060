// Keyhaven's benchmarks: `npm run bench -- [get] [put] [startup] [scale] [--rounds 5] [--seconds 2] [--json]`.
//
// Each measure starts the servers it compares as processes of their own, loads them in turn round by round, and answers
// a table and the ratios that the project holds itself to. A slow figure never fails the run, because this machine may
// be anybody's; a wrong answer, a refused request or a lost value does.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureGet } from './measures/get.mjs'
import { profileMeasure } from './measures/profiled.mjs'
import { measurePut } from './measures/put.mjs'
import { measureScale } from './measures/scale.mjs'
import { measureStartup } from './measures/startup.mjs'
import { workFolder } from './measures/subject.mjs'
import { isInMemory, machineFacts } from './measuring/machine.mjs'
import { renderResult, renderResults } from './report.mjs'
import { isBuilt } from './servers/start-keyhaven.mjs'

const measures = { get: measureGet, put: measurePut, startup: measureStartup, scale: measureScale }

/** Fewer rounds than this are for a quick look and are not recorded. */
const ROUNDS_WORTH_RECORDING = 5

const usage = `npm run bench -- [MEASURE...] [OPTIONS]

Measures: ${Object.keys(measures).join(', ')}. All of them if none is named.

  --rounds N     how often each thing is measured (5)
  --seconds N    length of one measurement (2)
  --origin X     build or sources; the build where there is one
  --sizes LIST   numbers of secrets for scale (1000,100000,1000000)
  --name TEXT    recorded as results/DATE-TEXT.md; the commit if left out
  --no-record    writes no result file, as with less than ${ROUNDS_WORTH_RECORDING} rounds
  --json         prints everything measured as JSON on standard output
  --profile      instead of measuring, profiles the server under the load of get and put and lists the hottest functions
`

const started = new Date()
const log = (line) => process.stderr.write(`${line}\n`)

// An interrupted run ends its servers and removes their data; both hang on the process's own end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

try {
  process.exitCode = await main()
} catch (error) {
  log(error.stack)
  for (let cause = error.cause; cause !== undefined; cause = cause.cause) log(`because: ${cause.stack ?? cause}`)
  process.exitCode = 1
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      origin: { type: 'string', default: isBuilt() ? 'build' : 'sources' },
      sizes: { type: 'string', default: '1000,100000,1000000' },
      name: { type: 'string' },
      record: { type: 'boolean', default: true },
      json: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const wanted = positionals.length === 0 ? Object.keys(measures) : positionals
  for (const name of wanted) if (!(name in measures)) throw new Error(`there is no measure named ${name}\n${usage}`)
  if (!['build', 'sources'].includes(values.origin)) throw new Error('--origin is build or sources')
  const options = {
    rounds: numberWithin(values.rounds, '--rounds', 1, 100),
    seconds: numberWithin(values.seconds, '--seconds', 0.1, 60),
    origin: values.origin,
    sizes: values.sizes.split(',').map((size) => numberWithin(size, '--sizes', 100, 2_000_000)),
  }
  mkdirSync(workFolder, { recursive: true })

  if (values.profile) {
    for (const name of wanted) process.stdout.write(`${await profileMeasure(name, { ...options, log })}\n\n`)
    return 0
  }

  const facts = machineFacts(workFolder)
  if (isInMemory(facts.dataFileSystem)) log('CAUTION: the data folder is in memory, so commits wait for no disk')
  const results = []
  for (const name of wanted) {
    log(`${name}: ${options.rounds} rounds of ${options.seconds} s, from the ${options.origin}`)
    const result = await measures[name]({ ...options, log })
    results.push(result)
    if (!values.json) process.stdout.write(`\n${renderResult(result).join('\n')}\n\n`)
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ started, facts, options, results }, null, 2)}\n`)
  if (values.record && options.rounds >= ROUNDS_WORTH_RECORDING) {
    const text = renderResults({ started, facts, options, results })
    log(`recorded in ${record(text, values.name ?? facts.commit.split(' ')[0])}`)
  }
  return results.some(({ refused }) => Object.keys(refused).length > 0) ? 1 : 0
}

function record(text, name) {
  const folder = fileURLToPath(new URL('./results', import.meta.url))
  const file = join(folder, `${started.toISOString().slice(0, 10)}-${name.replaceAll(/[^\w.-]+/g, '-')}.md`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, text)
  return file
}

function numberWithin(text, name, least, most) {
  const value = Number(text)
  if (!(value >= least && value <= most)) throw new Error(`${name} is a number from ${least} to ${most}`)
  return value
}
