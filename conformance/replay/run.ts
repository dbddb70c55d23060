/**
 * `npm run replay`: plays recorded exchanges of the real Azure Key Vault against a fresh Keyhaven and compares the
 * answers. Needs the recordings, which are not part of this repository; without them it says so and succeeds.
 *
 *   --recordings DIR     where they are (../shared/recordings beside the project)
 *   --folder NAME        a folder in it; may be given several times (secrets, soft-delete)
 *   --offline            only say what would be played
 *   --base-url URL       use a server that runs already; needs --ready FILE with the line it printed when it started
 *   --json               print the result as JSON (it is written to conformance/.work/replay/result.json in any case)
 *   --verbose            every difference, and how often each rule was used
 *   NAME…                only recordings whose name contains one of these
 *
 * Ends with 1 when under 99 % of the compared exchanges agree, when a difference is not explained, or when an
 * explanation explains nothing.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Bindings } from './bindings.ts'
import { readExplanations } from './explained.ts'
import { hasInBetween, LATENCY_SECONDS, playInBetween } from './in-between.ts'
import { renderOffline } from './offline.ts'
import { type Plan, planReplay } from './plan.ts'
import { playRecording, type Session, type StepResult } from './player.ts'
import { loadRecordings } from './recordings.ts'
import { makeReport, type Played, renderReport } from './report.ts'
import { type Keyhaven, startKeyhaven, useKeyhaven } from './server.ts'

const projectRoot = fileURLToPath(new URL('../../', import.meta.url))
const resultFile = path.join(projectRoot, 'conformance', '.work', 'replay', 'result.json')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    recordings: { type: 'string', default: path.join(projectRoot, '..', 'shared', 'recordings') },
    folder: { type: 'string', multiple: true, default: ['secrets', 'soft-delete'] },
    offline: { type: 'boolean', default: false },
    'base-url': { type: 'string' },
    ready: { type: 'string' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

/** The time goes into making vaults, one process each. */
const FAST_AT_ONCE = 2
/** These mostly wait. */
const SLOW_AT_ONCE = 8

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`replay: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function main(): Promise<number> {
  const all = loadRecordings(values.recordings, values.folder)
  if (all === undefined) {
    print(`No recordings in ${values.recordings}: nothing to compare with. They are not part of this repository.`)
    return 0
  }
  const plans = all.map((recording) => planReplay(recording))
  const chosen = plans.filter(({ recording, steps }) => steps.length > 0 && isChosen(recording.name))
  const elsewhere = plans.filter(({ steps }) => steps.length === 0)
  const exchangesElsewhere = elsewhere.reduce((sum, { outOfScope }) => sum + outOfScope.length, 0)
  if (chosen.length === 0) {
    print(`No recording is named like ${positionals.join(', ')}.`)
    return 1
  }
  if (values.offline) {
    print(renderOffline(chosen, { isVerbose: values.verbose, exchangesElsewhere }))
    return 0
  }
  const played = await playEverything(chosen)
  if (played === undefined) return 1
  const report = makeReport(played, {
    explanations: readExplanations(fileURLToPath(new URL('explained.json', import.meta.url))),
    divergences: readFileSync(path.join(projectRoot, 'docs', 'divergences.md'), 'utf8'),
    isCompleteRun:
      positionals.length === 0 && values.folder.includes('secrets') && values.folder.includes('soft-delete'),
    exchangesElsewhere,
  })
  mkdirSync(path.dirname(resultFile), { recursive: true })
  writeFileSync(resultFile, `${JSON.stringify(report, null, 2)}\n`)
  print(values.json ? JSON.stringify(report) : renderReport(report, { isVerbose: values.verbose }))
  return report.hasPassed ? 0 : 1
}

function isChosen(name: string): boolean {
  return positionals.length === 0 || positionals.some((part) => name.includes(part))
}

/** All recordings, then, on a slow server, the answers from before a deletion had finished. */
async function playEverything(plans: readonly Plan[]): Promise<Played[] | undefined> {
  const baseUrl = values['base-url']
  if (baseUrl !== undefined) {
    if (values.ready === undefined) {
      print('--base-url needs --ready FILE: the line of JSON the server printed when it started.')
      return undefined
    }
    // Only a server of our own can be told to be slow, so the answers in between are left out here.
    const running = useKeyhaven(projectRoot, { baseUrl, readyFile: values.ready })
    const results = await playEach(plans, running, 1, playRecording).finally(() => running.stop())
    return plans.map((plan) => ({ plan, results: results.get(plan) ?? [], inBetween: [] }))
  }
  const keyhaven = await startKeyhaven(projectRoot, { latencySeconds: 0 })
  const results = await playEach(plans, keyhaven, FAST_AT_ONCE, playRecording).finally(() => keyhaven.stop())
  const withInBetween = plans.filter(hasInBetween)
  let inBetween = new Map<Plan, StepResult[]>()
  if (withInBetween.length > 0) {
    const slow = await startKeyhaven(projectRoot, { latencySeconds: LATENCY_SECONDS })
    inBetween = await playEach(withInBetween, slow, SLOW_AT_ONCE, playInBetween).finally(() => slow.stop())
  }
  return plans.map((plan) => ({ plan, results: results.get(plan) ?? [], inBetween: inBetween.get(plan) ?? [] }))
}

/** Each recording in a vault of its own, so many at once. */
async function playEach(
  plans: readonly Plan[],
  keyhaven: Keyhaven,
  atOnce: number,
  play: (plan: Plan, session: Session, bindings: Bindings) => Promise<StepResult[]>,
): Promise<Map<Plan, StepResult[]>> {
  const token = await keyhaven.token()
  const runName = Date.now().toString(36).slice(-6)
  const played = new Map<Plan, StepResult[]>()
  const waiting = [...plans.entries()]
  const playNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, plan] = next
      const vaultHost = await keyhaven.createVault(`replay-${runName}-${index + 1}`, plan.vault)
      const bindings = new Bindings(`https://${vaultHost}`, keyhaven.tenantId)
      const session = { transport: keyhaven.transport, vaultHost, token, nowMs: () => Date.now() }
      played.set(plan, await play(plan, session, bindings))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, () => playNext()))
  return played
}

function print(content: string): void {
  process.stdout.write(`${content}\n`)
}
