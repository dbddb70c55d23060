/** For the tests beside it: folders of their own, and processes that work on a data file (see store-process.ts). */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** An existing, empty folder that is removed when the test, or else the test process, ends. */
export function temporaryFolder(test?: { after(callback: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'keyhaven-store-'))
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
  }
  if (test === undefined) process.once('exit', remove)
  else test.after(remove)
  return folder
}

const PROGRAM = fileURLToPath(new URL('./store-process.ts', import.meta.url))

/** Starts store-process.ts; killed at the end of the test where it still runs. */
export function startProcess(test: { after(callback: () => void): void }, ...args: string[]): ChildProcess {
  const child = fork(PROGRAM, args, {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    execArgv: [],
  })
  test.after(() => {
    child.kill('SIGKILL')
  })
  return child
}

/** The lines a process prints, as they come. */
export async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of child.stdout ?? []) {
    const lines = `${rest}${String(chunk)}`.split('\n')
    // What a killed process did not finish writing is no line.
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** All lines of a process that ends. */
export async function outputOf(child: ChildProcess): Promise<readonly string[]> {
  const lines: string[] = []
  for await (const line of linesOf(child)) lines.push(line)
  return lines
}

export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}
