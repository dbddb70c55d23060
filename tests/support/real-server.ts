/**
 * The real program in processes of its own: servers that tests start, kill and start again, and commands beside them.
 * Whatever a test leaves running ends with the test's process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../bin/keyhaven.mjs', import.meta.url))
/** What one process compiled, all later ones read: half of a start's work. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/keyhaven-compiled', import.meta.url))
const START_MS = 30_000
const COMMAND_MS = 60_000

/** Ports that the system chooses, and none that a test does not use. */
export const TEST_PORTS = ['--port', '0', '--proxy-port', '-1', '--managed-identity-port', '-1']

/** The line a started server prints; see docs/start-up-contract.md. */
export interface ReadyLine {
  readonly httpsPort: number
  readonly metricsPort?: number
  readonly managedIdentityPort?: number
  readonly caFile: string
  readonly tenantId: string
  /** Of `dev` only. */
  readonly clientId: string
  readonly clientSecret: string
  readonly identityHeader: string
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunningProcess {
  readonly pid: number
  readonly ended: Promise<Ended>
  stdout(): string
  stderr(): string
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<Ended>
}

export interface RealServer extends RunningProcess {
  readonly ready: ReadyLine
  /** SIGTERM; resolves when the process is gone. */
  stop(): Promise<Ended>
}

interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Ends the process after this long. */
  readonly timeoutMs?: number
}

const running = new Set<ChildProcess>()
process.on('exit', endLeftProcesses)

/** For the end of a test file: what a failed test left running would keep the test's own process from ending. */
export function endLeftProcesses(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Starts `keyhaven ARGS` as one process: the answered pid is the program's own. */
export function startProcess(
  args: readonly string[],
  { env = {} }: ProcessOptions = {},
): RunningProcess & { readonly child: ChildProcess } {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILED, ...env },
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  return {
    child,
    pid: child.pid ?? -1,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    kill() {
      child.kill('SIGKILL')
      return ended
    },
  }
}

/** Starts a server and waits until it answers. Throws with what it printed when it ends before. */
export async function startRealServer(args: readonly string[], options: ProcessOptions = {}): Promise<RealServer> {
  return whenReady(startProcess(args, options), options)
}

/** Waits until a server that was started with `--json` answers. */
export async function whenReady(
  started: RunningProcess & { readonly child: ChildProcess },
  { timeoutMs = START_MS }: ProcessOptions = {},
): Promise<RealServer> {
  const { child, ended } = started
  const ready = await new Promise<ReadyLine>((resolve, reject) => {
    const fail = (what: string) => {
      reject(new Error(`the server ${what}: ${started.stderr()}${started.stdout()}`))
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`did not answer within ${timeoutMs} ms`)
    }, timeoutMs)
    child.stdout?.on('data', () => {
      const line = started
        .stdout()
        .split('\n')
        .find((text) => text.startsWith('{"ready":true'))
      if (line === undefined || !started.stdout().includes('\n')) return
      clearTimeout(timer)
      resolve(JSON.parse(line))
    })
    void ended.then(({ code, signal }) => {
      clearTimeout(timer)
      fail(`ended with ${signal ?? code}`)
    })
  })
  return {
    ...started,
    ready,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

export interface CommandResult extends Ended {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  { timeoutMs = COMMAND_MS, ...options }: ProcessOptions = {},
): Promise<CommandResult> {
  const command = startProcess(args, options)
  const timer = setTimeout(() => command.child.kill('SIGKILL'), timeoutMs)
  const ended = await command.ended
  clearTimeout(timer)
  return { ...ended, stdout: command.stdout(), stderr: command.stderr() }
}

/** Pids of the processes that a process started and that still run. Linux only. */
export function childrenOf(pid: number): readonly number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
}

/** Kills a process that a server started, and waits until the server has noticed. */
export async function killChild(server: Pick<RunningProcess, 'pid'>, pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL')
  while (childrenOf(server.pid).includes(pid)) await wait(5)
}
