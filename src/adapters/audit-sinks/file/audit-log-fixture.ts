/** What the tests of the audit log start from: a folder of their own, a clock they move, anchors they can spoil. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AuditAnchor, AuditAnchorReader, AuditAnchors } from '../../../domain/audit/audit-anchors.ts'
import type { AuditRecord } from '../../../domain/audit/audit-record.ts'
import type { AuditVerification } from '../../../domain/audit/audit-verification.ts'
import type { Clock } from '../../../ports/clock.ts'
import { type FileAuditSettings, type FileAuditSink, openFileAuditSink } from './file-audit-sink.ts'
import type { AuditFileOperations } from './file-operations.ts'
import { verifyAuditFolder } from './verify-audit-folder.ts'

export const START_MS = Date.UTC(2026, 0, 5, 12)

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #nowMs = START_MS
  #timers: { readonly atMs: number; readonly callback: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { callback } of due) callback()
  }
}

/** Anchors in memory; `fail` lets every call reject. */
export class TestAnchors implements AuditAnchors, AuditAnchorReader {
  readonly kept = new Map<string, AuditAnchor>()
  writes = 0
  fail = false
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  async read(stream: string): Promise<AuditAnchor | undefined> {
    if (this.fail) throw new Error('the anchor store is away')
    return this.kept.get(stream)
  }

  async write(stream: string, anchor: AuditAnchor): Promise<void> {
    if (this.fail) throw new Error('the anchor store is away')
    this.kept.set(stream, anchor)
    this.writes += 1
    for (const { count, resolve } of this.#waiting) if (this.writes >= count) resolve()
  }

  async streams(): Promise<readonly string[]> {
    return [...this.kept.keys()]
  }

  /** Resolves once this many anchors were written. */
  async written(count: number): Promise<void> {
    if (this.writes >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }
}

/** Anchors of one stream in a file, replaced whole or not at all, for a process that gets killed. */
export function fileAnchors(path: string, stream: string): AuditAnchors & AuditAnchorReader {
  return {
    async read() {
      if (!existsSync(path)) return undefined
      const [sequence = '', mac = ''] = readFileSync(path, 'utf8').split(' ')
      return { sequence: Number(sequence), mac }
    },
    async write(_stream, { sequence, mac }) {
      writeFileSync(`${path}.new`, `${sequence} ${mac}`)
      renameSync(`${path}.new`, path)
    },
    streams: async () => [stream],
  }
}

export interface AuditLog {
  readonly folder: string
  readonly key: Buffer
  readonly clock: TestClock
  readonly anchors: TestAnchors
  readonly problems: Error[]
  open(options?: {
    readonly stream?: string
    readonly settings?: Partial<FileAuditSettings>
    readonly files?: AuditFileOperations
    readonly key?: Uint8Array
  }): Promise<FileAuditSink>
  /** Names of the stream's files, oldest first. */
  fileNames(stream?: string): string[]
  read(name: string, stream?: string): Buffer
  write(name: string, content: Uint8Array | string, stream?: string): void
  /** Every line of the stream, in order, without newlines. */
  lines(stream?: string): string[]
  verify(archivedThrough?: ReadonlyMap<string, number>): Promise<AuditVerification>
}

export function makeAuditLog(context: TestContext): AuditLog {
  const folder = mkdtempSync(join(tmpdir(), 'audit-log-'))
  context.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const key = Buffer.alloc(32, 0xa5)
  const clock = new TestClock()
  const anchors = new TestAnchors()
  const problems: Error[] = []
  const path = (name: string, stream: string) => join(folder, stream, name)
  const log: AuditLog = {
    folder,
    key,
    clock,
    anchors,
    problems,
    open: ({ stream = 'node-1', ...others } = {}) =>
      openFileAuditSink({
        folder,
        stream,
        key,
        clock,
        anchors,
        onProblem: (problem) => {
          problems.push(problem)
        },
        ...others,
      }),
    fileNames: (stream = 'node-1') => readdirSync(join(folder, stream)).sort(),
    read: (name, stream = 'node-1') => readFileSync(path(name, stream)),
    write: (name, content, stream = 'node-1') => {
      writeFileSync(path(name, stream), content)
    },
    lines: (stream = 'node-1') =>
      log.fileNames(stream).flatMap((name) => log.read(name, stream).toString('utf8').split('\n').slice(0, -1)),
    verify: (archivedThrough) =>
      verifyAuditFolder({ folder, key, anchors, ...(archivedThrough === undefined ? {} : { archivedThrough }) }),
  }
  return log
}

/** A record that can be told from others by its number. */
export function auditRecord(number: number, more: Partial<AuditRecord> = {}): AuditRecord {
  return {
    time: `2026-01-05T12:00:00.${String(number).padStart(7, '0')}Z`,
    resourceId: '',
    operationName: 'SecretGet',
    operationVersion: '7.4',
    category: 'AuditEvent',
    resultType: 'Success',
    resultSignature: 'OK',
    resultDescription: '',
    durationMs: '1',
    callerIpAddress: '127.0.0.1',
    correlationId: '',
    identity: { claim: {} },
    properties: {
      clientInfo: 'test',
      requestUri: `/secrets/s${number}`,
      httpStatusCode: 200,
      requestId: String(number),
    },
    ...more,
  }
}

/** Appends records numbered from `first` in one turn of the event loop and waits for them. */
export async function appendRecords(sink: FileAuditSink, first: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => sink.append(auditRecord(first + index))))
}

/** The numbers given to auditRecord, in the order of the lines. */
export function recordNumbers(lines: readonly string[]): number[] {
  return lines.map((line) => Number(/"requestId":"(\d+)"/.exec(line)?.[1]))
}

/** Lets the event loop turn until something has happened; fails when it does not within many turns. */
export async function loopTurnsUntil(hasHappened: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (hasHappened()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('what the test waits for did not happen')
}
