/**
 * The files of one stream as their only writer sees them: appends whole batches or nothing, begins a new file when the
 * current one is full or its UTC day is over, and never goes on behind bytes that do not belong there.
 */
import { join } from 'node:path'
import type { Clock } from '../../../ports/clock.ts'
import { type AuditFile, auditFile } from './audit-files.ts'
import type { AuditFileOperations } from './file-operations.ts'

export interface StreamWriterOptions {
  readonly folder: string
  readonly stream: string
  readonly files: AuditFileOperations
  readonly clock: Clock
  readonly maxFileBytes: number
  onProblem(problem: Error): void
}

interface CurrentFile {
  readonly file: AuditFile
  readonly fd: number
  /** Length of what was written in whole batches. */
  bytes: number
}

export class StreamWriter {
  readonly #options: StreamWriterOptions
  readonly #folder: string
  #current: CurrentFile | undefined
  /** Files left behind that still have to be synced and closed. */
  #left: number[] = []
  /** Bytes of a failed batch may stand behind `bytes`. */
  #hasLeftovers = false
  #hasNewNames = true
  #mustCheckFile = false

  constructor(options: StreamWriterOptions) {
    this.#options = options
    this.#folder = join(options.folder, options.stream)
  }

  /** Goes on in the newest file of an earlier run, after its whole lines; a torn line behind them is cut off. */
  resume(newest: { readonly file: AuditFile; readonly wholeBytes: number; readonly fileBytes: number }): void {
    const fd = this.#options.files.append(newest.file.path)
    this.#current = { file: newest.file, fd, bytes: newest.wholeBytes }
    this.#hasLeftovers = newest.fileBytes > newest.wholeBytes
    this.#removeLeftovers()
  }

  /**
   * Appends bytes[0, length), whose first record has this sequence number. Answers whether a new file was begun for it.
   * When it throws, nothing of it is in the file, or what is gets removed before the next write.
   */
  write(bytes: Buffer, length: number, firstSequence: number): boolean {
    this.#removeLeftovers()
    const before = this.#current
    const current = this.#fileFor(length, firstSequence)
    try {
      this.#writeAll(current.fd, bytes, length)
    } catch (cause) {
      this.#hasLeftovers = true
      this.#tryToRemoveLeftovers()
      throw new Error(`writing ${current.file.path}`, { cause })
    }
    current.bytes += length
    return current !== before
  }

  /** Removes the last written batch again, because it could not be made durable. */
  takeBack(length: number): void {
    if (this.#current === undefined) return
    this.#current.bytes -= length
    this.#hasLeftovers = true
    this.#tryToRemoveLeftovers()
  }

  /**
   * Makes everything written so far survive a power cut, and closes the files left behind. One call at a time: a second
   * one could close a file that the first is syncing.
   */
  async sync(): Promise<void> {
    const { files } = this.#options
    const left = this.#left
    this.#left = []
    try {
      for (const fd of left) await files.sync(fd)
      if (this.#current !== undefined) await files.sync(this.#current.fd)
    } finally {
      for (const fd of left) files.close(fd)
    }
    if (!this.#hasNewNames) return
    this.#hasNewNames = false
    try {
      await files.syncFolder(this.#folder)
      await files.syncFolder(this.#options.folder)
    } catch (error) {
      this.#hasNewNames = true
      throw error
    }
  }

  /** Lets the next write look whether the file is still the one it was; not every write does, as it costs two calls. */
  checkFileSoon(): void {
    this.#mustCheckFile = true
  }

  close(): void {
    for (const fd of this.#left) this.#options.files.close(fd)
    this.#left = []
    if (this.#current !== undefined) this.#options.files.close(this.#current.fd)
    this.#current = undefined
  }

  #fileFor(length: number, firstSequence: number): CurrentFile {
    const { files, clock, folder, stream, maxFileBytes } = this.#options
    const current = this.#current
    const nowMs = clock.nowMs()
    if (current !== undefined && !this.#wasTouched(current)) {
      // An empty file is used whatever its day: a second one beside it would be named after the same record.
      const isFull = current.bytes > 0 && (nowMs >= current.file.dayEndMs || current.bytes + length > maxFileBytes)
      if (!isFull) return current
    }
    const file = auditFile(folder, stream, firstSequence, nowMs)
    files.makeFolder(this.#folder)
    const fd = files.create(file.path)
    if (current !== undefined) this.#left.push(current.fd)
    this.#hasNewNames = true
    this.#current = { file, fd, bytes: 0 }
    return this.#current
  }

  #wasTouched({ fd, file, bytes }: CurrentFile): boolean {
    if (!this.#mustCheckFile) return false
    const isUntouched = this.#options.files.isUntouched(fd, file.path, bytes)
    this.#mustCheckFile = false
    if (isUntouched) return false
    this.#options.onProblem(
      new Error(
        `${file.path} was moved, removed or changed by somebody else while audit records were written to it; ` +
          'they go to a new file from now on. If another process writes the same stream, stop it.',
      ),
    )
    return true
  }

  #writeAll(fd: number, bytes: Buffer, length: number): void {
    let done = 0
    while (done < length) {
      const written = this.#options.files.write(fd, bytes, done, length - done)
      if (written <= 0) throw new Error('the file system took no bytes')
      done += written
    }
  }

  #removeLeftovers(): void {
    if (!this.#hasLeftovers || this.#current === undefined) return
    const { fd, bytes, file } = this.#current
    try {
      this.#options.files.truncate(fd, bytes)
    } catch (cause) {
      throw new Error(`removing an unfinished batch from ${file.path}`, { cause })
    }
    this.#hasLeftovers = false
  }

  #tryToRemoveLeftovers(): void {
    try {
      this.#removeLeftovers()
    } catch {
      // They stay marked: nothing is written before they are gone, and the next write says why they are not.
      this.#hasLeftovers = true
    }
  }
}
