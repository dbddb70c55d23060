/**
 * The kill test by hand, as long as wanted:
 *   node tests/durability/kill-loop.ts --kills 1000 [--workers N] [--clients N] [--seed N] [--built]
 * Prints a line now and then, and the counts at the end. Exit code 1 when the server broke its word; the data folder is
 * then left in place and named.
 */
import { parseArgs } from 'node:util'
import { type KillReport, killsOf, runKills } from './kill-rounds.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    workers: { type: 'string', default: '1' },
    clients: { type: 'string', default: '24' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** The built server in dist instead of the sources; it starts in half the time. */
    built: { type: 'boolean', default: false },
  },
})

const print = (line: string) => process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)

function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function summary(report: KillReport): string {
  const { startsMs, violations, ...counts } = report
  return JSON.stringify({
    total: killsOf(report),
    ...counts,
    answeredInAll: Object.values(report.answered).reduce((sum, count) => sum + count, 0),
    starts: startsMs.length,
    startMsMedian: percentile(startsMs, 0.5),
    startMs95th: percentile(startsMs, 0.95),
    startMsLongest: percentile(startsMs, 1),
    violations: violations.length,
  })
}

const seed = Number(values.seed)
print(`seed ${seed}, ${values.kills} kills, ${values.workers} worker(s), ${values.clients} clients`)
const startedMs = performance.now()
const report = await runKills({
  kills: Number(values.kills),
  seed,
  workers: Number(values.workers),
  clients: Number(values.clients),
  roundsPerFolder: 100,
  roundsPerInspection: 5,
  env: values.built ? { KEYHAVEN_RUN: 'dist' } : {},
  onRound: (sofar) => {
    if (sofar.rounds % 50 === 0) print(summary(sofar))
  },
})
print(`${Math.round((performance.now() - startedMs) / 1000)} s ${summary(report)}`)
for (const violation of report.violations) print(`VIOLATION ${violation}`)
process.exitCode = report.violations.length === 0 ? 0 : 1
