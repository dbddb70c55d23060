/**
 * The kill test: a real server under load is killed with SIGKILL at a random moment, started again on the same folder, and
 * everything it had acknowledged is compared with what it has. Also killed: servers that are starting, single workers,
 * and key rotations beside the server. See secret-states.ts for what a client believes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { connectTo, tokenOf } from '../support/real-client.ts'
import {
  childrenOf,
  killChild,
  type RealServer,
  runCommand,
  startProcess,
  TEST_PORTS,
  whenReady,
} from '../support/real-server.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { type AuditWatch, watchAudit } from './audit-watch.ts'
import { inspectFolder } from './inspect-folder.ts'
import { KillClient, type SharedSecret, type Tally } from './kill-client.ts'

export interface KillOptions {
  readonly kills: number
  readonly seed: number
  readonly workers: number
  readonly clients: number
  /** After so many rounds the next data folder is begun, so that data and audit log stay small enough to check whole. */
  readonly roundsPerFolder: number
  /** The whole folder is inspected each so many rounds. */
  readonly roundsPerInspection: number
  /** For the servers and commands that are started. */
  readonly env?: Readonly<Record<string, string>>
  /** Called after each round. */
  onRound?(report: KillReport): void
}

export interface KillReport extends Tally {
  readonly kills: Record<'underLoad' | 'starting' | 'worker' | 'command', number>
  readonly startsMs: number[]
  readonly violations: string[]
  rounds: number
  inspections: number
  commands: number
  folders: number
}

const LONGEST_COMMON_LOAD_MS = 350
/** Now and then long enough for the purge job, which also scrubs the file, to run. */
const LONGEST_LOAD_MS = 2_500
const COMMAND_LOAD_MS = 700
const WORKERS_GONE_MS = 5_000
const WORKER_STARTED_MS = 10_000
/** A rotation may give up when records keep changing; it says so and has lost nothing. */
const KEPT_CHANGING = /kept changing; run it again/

/** Runs until that many processes were killed, or something is wrong. */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const report: KillReport = {
    kills: { underLoad: 0, starting: 0, worker: 0, command: 0 },
    startsMs: [],
    violations: [],
    rounds: 0,
    inspections: 0,
    commands: 0,
    folders: 0,
    answered: {},
    verifiedSecrets: 0,
    verifiedVersions: 0,
    pendingApplied: 0,
    pendingNotApplied: 0,
    sharedVersions: 0,
  }
  const random = seededRandom(options.seed)
  while (killsOf(report) < options.kills && report.violations.length === 0) {
    const installation = new Installation(options, report, random)
    try {
      for (let round = 0; round < options.roundsPerFolder; round++) {
        if (killsOf(report) >= options.kills || report.violations.length > 0) break
        await installation.round(round)
        report.rounds++
        options.onRound?.(report)
      }
      await installation.finish()
    } catch (error) {
      report.violations.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
    } finally {
      await installation.close(report.violations.length === 0)
    }
    report.folders++
  }
  return report
}

export const killsOf = ({ kills }: KillReport): number => Object.values(kills).reduce((sum, count) => sum + count, 0)

class Installation {
  readonly #options: KillOptions
  readonly #report: KillReport
  readonly #random: SeededRandom
  readonly #folder = mkdtempSync(join(tmpdir(), 'keyhaven-kill-'))
  readonly #dataFolder = join(this.#folder, 'data')
  readonly #clients: readonly KillClient[]
  readonly #audit: AuditWatch
  #answered = new Set<string>()
  #shared: SharedSecret | undefined
  #server: RealServer | undefined
  #round = 0

  constructor(options: KillOptions, report: KillReport, random: SeededRandom) {
    this.#options = options
    this.#report = report
    this.#random = random
    this.#audit = watchAudit(this.#dataFolder)
    this.#clients = Array.from(
      { length: options.clients },
      (_, id) =>
        new KillClient({
          id,
          random: seededRandom(random.below(2 ** 31)),
          tally: report,
          onAnswer: (requestId) => this.#answered.add(requestId),
          onViolation: (sentence) => report.violations.push(`round ${this.#round} in ${this.#folder}: ${sentence}`),
        }),
    )
  }

  /** Starts the server where it does not run, checks what it has, and kills it, or one worker, under load. */
  async round(round: number): Promise<void> {
    this.#round = round
    const server = await this.#runningServer(round === 0)
    await this.#check(server, 'touched')
    if (round % this.#options.roundsPerInspection === 0) await this.#inspect()
    const shared: SharedSecret = { name: `shared-${round}`, acknowledged: new Map(), unanswered: new Set() }
    this.#shared = shared

    let isOver = false
    const working = this.#clients.map(async (client) => {
      if ((await client.work(() => isOver, shared)) && !isOver) this.#violate('the server went away by itself')
    })
    const command = this.#random.below(8) === 0 ? this.#startCommand() : undefined
    const isLong = this.#random.below(12) === 0
    await wait(10 + this.#random.below(isLong ? LONGEST_LOAD_MS : command ? COMMAND_LOAD_MS : LONGEST_COMMON_LOAD_MS))
    isOver = true
    await this.#kill(server)
    await Promise.all(working)
    await command
  }

  /** The last look at the folder: everything ever written, and the commands that an administrator would use. */
  async finish(): Promise<void> {
    const server = await this.#runningServer(false)
    await this.#check(server, 'all')
    const { code } = await server.stop()
    this.#server = undefined
    if (code !== 0) this.#violate(`the server ended with ${code} when it was told to stop: ${server.stderr()}`)
    await this.#inspect()
    const { env = {} } = this.#options
    const doctor = await runCommand(['doctor', '--json', '--data', this.#dataFolder], { env })
    if (doctor.code !== 0) this.#violate(`doctor: ${doctor.stdout}${doctor.stderr}`)
    const verify = await runCommand(['audit', 'verify', '--json', '--data', this.#dataFolder], { env })
    if (verify.code !== 0) this.#violate(`audit verify: ${verify.stdout}${verify.stderr}`)
  }

  async close(mayRemove: boolean): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await this.#server?.kill()
    // What was found wrong is left to be looked at.
    if (mayRemove) rmSync(this.#folder, { recursive: true, force: true })
  }

  #violate(sentence: string): void {
    this.#report.violations.push(`round ${this.#round} in ${this.#folder}: ${sentence}`)
  }

  get #serverArgs(): readonly string[] {
    return [
      'dev',
      '--json',
      '--data',
      this.#dataFolder,
      ...TEST_PORTS,
      '--purge-interval-seconds',
      '1',
      '--workers',
      String(this.#options.workers),
    ]
  }

  async #runningServer(isFirstStart: boolean): Promise<RealServer> {
    if (this.#server !== undefined) return this.#server
    const { env = {} } = this.#options
    const usualMs = this.#report.startsMs.at(-1) ?? 1_000
    // A first start makes keys, certificates and identities; to be killed in the middle of it must not spoil the folder.
    for (let starts = isFirstStart ? 2 : this.#random.below(7) === 0 ? 1 : 0; starts > 0; starts--) {
      const starting = startProcess(this.#serverArgs, { env })
      await wait(this.#random.below(usualMs * 1.1))
      await starting.kill()
      this.#report.kills.starting++
    }
    const startedMs = performance.now()
    const server = await whenReady(startProcess(this.#serverArgs, { env }))
    this.#report.startsMs.push(Math.round(performance.now() - startedMs))
    this.#server = server
    return server
  }

  async #check(server: RealServer, scope: 'touched' | 'all'): Promise<void> {
    const token = await this.#logIn(server)
    const lost = this.#audit.missing(this.#answered)
    if (lost.length > 0) this.#violate(`${lost.length} answered requests are not on record once, as ${lost[0]}`)
    this.#answered = new Set()
    await Promise.all(
      this.#clients.map(async (client) => {
        client.connect(server.ready, token)
        await client.verify(scope)
      }),
    )
    if (this.#shared !== undefined) await this.#clients[0]?.verifyShared(this.#shared)
    this.#shared = undefined
  }

  /** Where the last worker was killed before the one before it was replaced, there is nobody to connect to for a while. */
  async #logIn({ ready }: RealServer): Promise<string> {
    const deadlineMs = performance.now() + WORKER_STARTED_MS
    for (;;) {
      const client = connectTo(ready)
      try {
        return await tokenOf(client, ready)
      } catch (error) {
        const isRefused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
        if (!isRefused || this.#options.workers === 1 || performance.now() > deadlineMs) throw error
        await wait(50)
      } finally {
        client.close()
      }
    }
  }

  async #inspect(): Promise<void> {
    this.#report.inspections++
    for (const problem of await inspectFolder(this.#dataFolder)) this.#violate(problem)
  }

  async #kill(server: RealServer): Promise<void> {
    const workers = this.#options.workers > 1 ? childrenOf(server.pid) : []
    if (workers.length > 1 && this.#random.below(3) === 0) {
      await killChild(server, this.#random.pick(workers))
      this.#report.kills.worker++
      return
    }
    await server.kill()
    this.#report.kills.underLoad++
    this.#server = undefined
    void this.#expectGone(workers)
  }

  /** Workers have to end by themselves once nobody writes for them. */
  async #expectGone(pids: readonly number[]): Promise<void> {
    const deadlineMs = performance.now() + WORKERS_GONE_MS
    while (pids.some(isRunning)) {
      if (performance.now() > deadlineMs) {
        this.#violate('a worker outlived its server')
        return
      }
      await wait(50)
    }
  }

  /** Something an administrator does while the server runs; half of them are killed too. */
  async #startCommand(): Promise<void> {
    const { env = {} } = this.#options
    const args = this.#random.pick([
      ['keys', 'rotate-vault', '--all'],
      ['keys', 'rotate-vault', '--vault', 'dev'],
      ['keys', 'rotate-root'],
      ['backup', '--to', join(this.#folder, `backup-${this.#round}.db`)],
    ])
    const isToDie = this.#random.below(2) === 0
    const command = startProcess([...args, '--data', this.#dataFolder], { env })
    this.#report.commands++
    if (isToDie) {
      await Promise.race([wait(100 + this.#random.below(600)), command.ended])
      const { signal } = await command.kill()
      if (signal === 'SIGKILL') this.#report.kills.command++
    }
    const { code, signal } = await command.ended
    const isFine = code === 0 || (isToDie && signal === 'SIGKILL') || KEPT_CHANGING.test(command.stderr())
    if (!isFine) this.#violate(`${args.join(' ')} ended with ${signal ?? code}: ${command.stderr()}`)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    // No such process any more, or the number belongs to somebody else's by now.
    return false
  }
}
