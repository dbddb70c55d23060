// Runs the things to compare in turn, round after round, so that the drift of a shared machine meets all of them alike,
// and keeps rounds out of the result in which somebody else used the machine.
import { setTimeout as wait } from 'node:timers/promises'
import { busySecondsOfMachine } from './cpu.mjs'

/**
 * More CPU than this used by others makes a round noisy. It costs the servers more than the cores it takes: measured
 * here, one foreign core nearly doubled the CPU time of a request, since the cores share caches and execution units.
 */
const NOISY_CORES = 0.2

/** A round may be made again this many times as often as asked for, all rounds together. */
const MAX_ATTEMPTS_PER_ROUND = 4

const QUIET_WAIT_LIMIT_MS = 10_000
const QUIET_PROBE_MS = 250

/**
 * `contestants` maps a label to a function that answers a report with `foreignCores`. Answers the reports of each label,
 * of the same rounds for all: the quiet ones, or all of them if fewer than half of what was asked for were quiet.
 * `log` gets one line per report.
 */
export async function alternate({ rounds, contestants, log, describe }) {
  const made = []
  const quietRounds = () => made.filter(({ isQuiet }) => isQuiet)
  while (quietRounds().length < rounds && made.length < rounds * MAX_ATTEMPTS_PER_ROUND) {
    const reports = {}
    for (const [label, measure] of Object.entries(contestants)) {
      await untilQuiet()
      reports[label] = await measure(made.length)
      log(`  ${String(made.length + 1).padStart(2)}. ${label.padEnd(24)} ${describe(reports[label])}`)
    }
    const isQuiet = Object.values(reports).every(({ foreignCores }) => (foreignCores ?? 0) <= NOISY_CORES)
    if (!isQuiet) log('      noisy round, to be made again')
    made.push({ reports, isQuiet })
  }
  const isQuietEnough = quietRounds().length >= rounds / 2
  const used = isQuietEnough ? quietRounds() : made
  return {
    reports: Object.fromEntries(Object.keys(contestants).map((label) => [label, used.map((round) => round.reports[label])])),
    all: made.flatMap((round) => Object.values(round.reports)),
    remark: isQuietEnough
      ? `${used.length} rounds; ${made.length - used.length} more were left out, because others used over ${NOISY_CORES} cores`
      : `${used.length} rounds, most of them with others using over ${NOISY_CORES} cores: treat the figures with care`,
  }
}

/** Waits for a quarter of a second without foreign load, and gives up waiting after ten. */
async function untilQuiet() {
  const deadlineMs = performance.now() + QUIET_WAIT_LIMIT_MS
  while (performance.now() < deadlineMs) {
    const before = busySecondsOfMachine()
    await wait(QUIET_PROBE_MS)
    if ((busySecondsOfMachine() - before) / (QUIET_PROBE_MS / 1000) <= NOISY_CORES) return
  }
}

/** Every refusal in these reports, by status; a figure with refusals in it is not one. */
export function refusalsOf(reports) {
  const total = {}
  for (const { refused = {} } of reports) {
    for (const [status, count] of Object.entries(refused)) total[status] = (total[status] ?? 0) + count
  }
  return total
}
