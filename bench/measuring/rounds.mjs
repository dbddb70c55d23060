// Runs the things to compare in turn, round after round, so that the drift of a shared machine meets all of them alike,
// and measures again what somebody else's use of the machine has spoilt.
import { setTimeout as wait } from 'node:timers/promises'
import { busySecondsOfMachine } from './cpu.mjs'

/**
 * More CPU than this used by others makes a measurement noisy. It costs the servers more than the cores it takes: one
 * foreign core nearly doubles the CPU time of a request, since the cores share caches and execution units.
 */
const NOISY_CORES = 0.2

/** A noisy measurement is made this often at most, and the quietest one counts. */
const MAX_ATTEMPTS = 4

const QUIET_WAIT_LIMIT_MS = 10_000
const QUIET_PROBE_MS = 250

/**
 * `contestants` maps a label to a function that answers a report with `foreignCores`. Answers the reports of each label
 * in order, all reports made (the noisy ones too), and a remark on the noise. `log` gets one line per report.
 */
export async function alternate({
  rounds,
  contestants,
  log,
  describe,
  noisyCores = NOISY_CORES,
  waitForQuiet = untilQuiet,
}) {
  const labels = Object.keys(contestants)
  const reports = Object.fromEntries(labels.map((label) => [label, []]))
  const all = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const label of labels) {
      const attempts = []
      do {
        await waitForQuiet(noisyCores)
        attempts.push(await contestants[label]())
        log(`  ${String(round).padStart(2)}/${rounds} ${label.padEnd(24)} ${describe(attempts.at(-1))}`)
      } while (attempts.at(-1).foreignCores > noisyCores && attempts.length < MAX_ATTEMPTS)
      all.push(...attempts)
      reports[label].push(attempts.toSorted((a, b) => a.foreignCores - b.foreignCores)[0])
    }
  }
  const used = Object.values(reports).flat()
  const noisy = used.filter(({ foreignCores }) => foreignCores > noisyCores).length
  const caution = noisy > used.length / 4 ? ': treat the figures with care' : ''
  return {
    reports,
    all,
    remark: `${all.length - used.length} measurements were left out because others used more than ${noisyCores} cores; ${noisy} of the ${used.length} used are noisy all the same${caution}`,
  }
}

/** Waits for a quarter of a second without foreign load, and gives up waiting after ten. */
async function untilQuiet(noisyCores) {
  const deadlineMs = performance.now() + QUIET_WAIT_LIMIT_MS
  while (performance.now() < deadlineMs) {
    const before = busySecondsOfMachine()
    await wait(QUIET_PROBE_MS)
    if ((busySecondsOfMachine() - before) / (QUIET_PROBE_MS / 1000) <= noisyCores) return
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
