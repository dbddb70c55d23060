/**
 * The audit log as files of JSON lines, each tied to the one before it (see domain/audit/audit-chain.ts).
 *
 * One process writes one stream, a folder of its own. Records appended in one turn of the event loop go out together in
 * one write, and each append resolves after that write returned: a killed process loses none that was answered.
 * A batch that cannot be written whole is cut back and refused whole, so the chain never holds half of one, and every
 * request is refused until a write succeeds again.
 */
import { join } from 'node:path'
import type { AuditAnchor, AuditAnchors } from '../../../domain/audit/audit-anchors.ts'
import { AuditMac, type RecoveryNote, STREAM_NAME } from '../../../domain/audit/audit-chain.ts'
import type { AuditRecord } from '../../../domain/audit/audit-record.ts'
import type { AuditSink } from '../../../ports/audit-sink.ts'
import type { Clock } from '../../../ports/clock.ts'
import { AnchorKeeper } from './anchor-keeper.ts'
import { findChainEnd } from './chain-end.ts'
import { type AuditFileOperations, systemFileOperations } from './file-operations.ts'
import { LineBatch } from './line-batch.ts'
import { StreamWriter } from './stream-writer.ts'

export interface FileAuditSettings {
  /** 'written' survives a kill of the process, 'synced' also a power cut, at the price of a disk sync per batch. */
  readonly durability: 'written' | 'synced'
  /** A new file is begun before one grows beyond this; also with each UTC day. */
  readonly maxFileBytes: number
  /** At most this many records, about, can be cut off the end of the log unseen. */
  readonly anchorAfterRecords: number
  /** … and at most those of this many seconds. */
  readonly anchorAfterSeconds: number
  /** Characters waiting to be written, over all records; an append beyond it is refused. */
  readonly maxQueuedCharacters: number
}

export const FILE_AUDIT_DEFAULTS: FileAuditSettings = {
  durability: 'written',
  maxFileBytes: 64 * 1024 * 1024,
  anchorAfterRecords: 10_000,
  anchorAfterSeconds: 10,
  maxQueuedCharacters: 32 * 1024 * 1024,
}

/** Far above what request limits let into a record; at three bytes per character a line stays below MAX_LINE_BYTES. */
export const MAX_RECORD_CHARACTERS = 256 * 1024

export interface FileAuditSinkOptions {
  readonly folder: string
  /** Must be written by one process at a time. */
  readonly stream: string
  /** 32 bytes; copied, and overwritten when the sink closes. */
  readonly key: Uint8Array
  readonly clock: Clock
  readonly anchors: AuditAnchors
  readonly settings?: Partial<FileAuditSettings>
  /** Told what no request is answered with: failing anchors, the first failing write, a file somebody else touched. */
  onProblem(problem: Error): void
  readonly files?: AuditFileOperations
}

/**
 * Opens a stream and goes on where it ended, in the same file. A torn last line, left by a kill, is cut off and told in
 * the next record. Throws AuditStreamRefused, with what to do, when the end is not what was written.
 */
export async function openFileAuditSink(options: FileAuditSinkOptions): Promise<FileAuditSink> {
  const { folder, stream, clock, anchors, onProblem } = options
  const settings = { ...FILE_AUDIT_DEFAULTS, ...options.settings }
  if (!STREAM_NAME.test(stream)) throw new Error(`'${stream}' cannot be the name of an audit stream`)
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value > 0)) {
      throw new Error(`the audit setting ${name} must be a whole number above 0, not ${value}`)
    }
  }
  const files = options.files ?? systemFileOperations
  const mac = new AuditMac(options.key)
  try {
    files.makeFolder(join(folder, stream))
    const anchor = await anchors.read(stream)
    const end = await findChainEnd({ folder, stream, mac, anchor })
    if (end.recovered?.kind === 'missingRecords') {
      onProblem(new Error(`no file of the audit stream '${stream}' is there, but ${end.sequence} records were written`))
    }
    const writer = new StreamWriter({ folder, stream, files, clock, maxFileBytes: settings.maxFileBytes, onProblem })
    if (end.newest !== undefined) writer.resume(end.newest)
    const keeper = new AnchorKeeper(end, {
      stream,
      anchors,
      clock,
      anchorAfterRecords: settings.anchorAfterRecords,
      anchorAfterSeconds: settings.anchorAfterSeconds,
      anchoredSequence: anchor?.sequence ?? 0,
      makeDurable: async () => {
        writer.checkFileSoon()
        // With 'synced' every batch in the chain is durable already, and only batches may sync then.
        if (settings.durability === 'written') await writer.sync()
      },
      onProblem,
    })
    return new FileAuditSink({ stream, mac, writer, keeper, settings, end, recovered: end.recovered, onProblem })
  } catch (error) {
    mac.destroy()
    throw error
  }
}

interface Parts {
  readonly stream: string
  readonly mac: AuditMac
  readonly writer: StreamWriter
  readonly keeper: AnchorKeeper
  readonly settings: FileAuditSettings
  readonly end: AuditAnchor
  readonly recovered: RecoveryNote | undefined
  onProblem(problem: Error): void
}

export class FileAuditSink implements AuditSink, AsyncDisposable {
  readonly #parts: Parts
  readonly #lines: LineBatch
  /** The last record that is in the files. */
  #end: AuditAnchor
  #recovered: RecoveryNote | undefined
  #queue: string[] = []
  #queuedCharacters = 0
  /** Shared by all appends of one batch: they succeed or fail together. */
  #batch: PromiseWithResolvers<void> | undefined
  #syncing: Promise<void> | undefined
  #isFailing = false
  #closing: Promise<void> | undefined

  /** Made by openFileAuditSink only. */
  constructor(parts: Parts) {
    this.#parts = parts
    this.#lines = new LineBatch(parts.stream, parts.mac)
    this.#end = { sequence: parts.end.sequence, mac: parts.end.mac }
    this.#recovered = parts.recovered
  }

  append(record: AuditRecord): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new Error('the audit log is closed'))
    const json = JSON.stringify(record)
    if (json.length > MAX_RECORD_CHARACTERS) {
      return Promise.reject(new Error(`an audit record of ${json.length} characters is too long`))
    }
    if (this.#queuedCharacters + json.length > this.#parts.settings.maxQueuedCharacters) {
      return Promise.reject(new Error('too many audit records are waiting to be written'))
    }
    this.#queue.push(json)
    this.#queuedCharacters += json.length
    if (this.#batch === undefined) {
      this.#batch = Promise.withResolvers<void>()
      // An immediate runs once after all sockets of this turn were read; a microtask would run after each of them.
      if (this.#syncing === undefined) setImmediate(this.#flush)
    }
    return this.#batch.promise
  }

  /** May be called again; appends are refused from the first call on. Rejects when the files could not be synced. */
  close(): Promise<void> {
    this.#closing ??= this.#release()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #flush = (): void => {
    const batch = this.#batch
    // Closing and the end of a sync flush as well, so an immediate may find its work done.
    if (batch === undefined || this.#syncing !== undefined) return
    const records = this.#queue
    this.#queue = []
    this.#queuedCharacters = 0
    this.#batch = undefined
    let end: AuditAnchor
    let isNewFile: boolean
    try {
      end = this.#lines.fill(records, this.#end, this.#recovered)
      isNewFile = this.#parts.writer.write(this.#lines.bytes, this.#lines.length, this.#end.sequence + 1)
    } catch (cause) {
      this.#refuse(batch, cause)
      return
    }
    if (this.#parts.settings.durability === 'synced') this.#syncing = this.#syncThenAccept(batch, end, isNewFile)
    else this.#accept(batch, end, isNewFile)
  }

  async #syncThenAccept(batch: PromiseWithResolvers<void>, end: AuditAnchor, isNewFile: boolean): Promise<void> {
    const { writer } = this.#parts
    const failure = await writer.sync().then(
      () => undefined,
      (cause: unknown) => ({ cause }),
    )
    if (failure === undefined) {
      this.#accept(batch, end, isNewFile)
    } else {
      writer.takeBack(this.#lines.length)
      this.#refuse(batch, failure.cause)
    }
    this.#syncing = undefined
    this.#flush()
  }

  #accept(batch: PromiseWithResolvers<void>, end: AuditAnchor, isNewFile: boolean): void {
    this.#end = end
    this.#recovered = undefined
    this.#isFailing = false
    batch.resolve()
    // The first file of a stream is no rotation, but it makes a stream known that could be removed as a whole.
    this.#parts.keeper.advance(end, isNewFile)
  }

  #refuse(batch: PromiseWithResolvers<void>, cause: unknown): void {
    const error = new Error(`the audit stream '${this.#parts.stream}' cannot be written`, { cause })
    if (!this.#isFailing) this.#parts.onProblem(error)
    this.#isFailing = true
    batch.reject(error)
  }

  async #release(): Promise<void> {
    const { writer, keeper, mac } = this.#parts
    this.#flush()
    while (this.#syncing !== undefined) await this.#syncing
    try {
      await keeper.settle()
      await writer.sync()
      await keeper.close()
    } finally {
      writer.close()
      mac.destroy()
    }
  }
}
