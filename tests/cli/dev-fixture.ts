/** A development server of a test's own, and somebody who writes secrets to it while other things happen. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { connectTo, type RealAnswer, tokenOf } from '../support/real-client.ts'
import {
  type CommandResult,
  endLeftProcesses,
  type RealServer,
  runCommand,
  startRealServer,
  TEST_PORTS,
} from '../support/real-server.ts'

export interface Scratch {
  readonly root: string
  newFolder(): string
  run(...args: readonly string[]): Promise<CommandResult>
  startDev(folder: string, ...more: readonly string[]): Promise<RealServer>
}

/** A folder that is gone after the test file. */
export function scratch(): Scratch {
  const root = mkdtempSync(join(tmpdir(), 'keyhaven-cli-'))
  after(() => {
    endLeftProcesses()
    rmSync(root, { recursive: true, force: true })
  })
  let folders = 0
  return {
    root,
    newFolder: () => join(root, `data-${++folders}`),
    run: (...args) => runCommand(args),
    startDev: (folder, ...more) => startRealServer(['dev', '--json', '--data', folder, ...TEST_PORTS, ...more]),
  }
}

export interface DevClient {
  send(method: string, path: string, body?: object): Promise<RealAnswer>
  close(): void
}

/** A client of the vault `dev` with a connection of its own. */
export async function connectToDev({ ready }: RealServer): Promise<DevClient> {
  const client = connectTo(ready)
  const token = await tokenOf(client, ready)
  return {
    send: (method, path, body) =>
      client.send({
        method,
        host: 'dev.vault.localhost',
        path: path.includes('?') ? path : `${path}?api-version=2025-07-01`,
        body,
        token,
      }),
    close: () => {
      client.close()
    },
  }
}

export interface Writer {
  /** How many were acknowledged so far. */
  readonly count: number
  /** Writes on until this many more were acknowledged. */
  wrote(more: number): Promise<void>
  stop(): Promise<void>
}

export const writtenName = (number: number) => `written-${number}`
export const writtenValue = (number: number) => `value ${number}`

/** Sets `written-0`, `written-1` and so on, one after the other; any answer but 200 fails the test at `stop`. */
export function startWriter(client: DevClient): Writer {
  let count = 0
  let isStopped = false
  let waiting: { readonly count: number; readonly resolve: () => void } | undefined
  const work = async () => {
    while (!isStopped) {
      const answer = await client.send('PUT', `/secrets/${writtenName(count)}`, { value: writtenValue(count) })
      assert.equal(answer.status, 200, answer.text)
      count++
      if (waiting !== undefined && count >= waiting.count) waiting.resolve()
    }
  }
  const working = work().finally(() => waiting?.resolve())
  return {
    get count() {
      return count
    },
    wrote: (more) =>
      new Promise((resolve) => {
        waiting = { count: count + more, resolve }
        working.then(resolve, resolve)
      }),
    async stop() {
      isStopped = true
      await working
    },
  }
}

/** Every one of them is there with its value; answers how many there are. */
export async function assertWritten(client: DevClient, atLeast: number): Promise<number> {
  for (let number = 0; ; number++) {
    const answer = await client.send('GET', `/secrets/${writtenName(number)}`)
    if (answer.status === 404) {
      assert.ok(number >= atLeast, `${writtenName(number)} of ${atLeast} is missing`)
      return number
    }
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.json.value, writtenValue(number))
  }
}

type Outcome = Pick<CommandResult, 'code' | 'stderr'>

export function assertDone({ code, stderr }: Outcome): void {
  assert.equal(code, 0, stderr)
}

export function assertRefusedCommand({ code, stderr }: Outcome, sentence: RegExp): void {
  assert.equal(code, 1, stderr)
  assert.match(stderr, sentence)
  assert.doesNotMatch(stderr, /\n\s+at /)
}
