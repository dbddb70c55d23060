/**
 * The few things the sink asks of the file system, so that a test can let the n-th of them fail.
 *
 * Writing is synchronous on purpose: a batch goes to the page cache within microseconds, while a round trip through the
 * thread pool costs several times the write itself. Syncing waits for the disk and so never blocks the event loop.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { isMissing } from './audit-files.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

export interface AuditFileOperations {
  /** Makes a folder and its parents, for their owner only; one that is there already stays as it is. */
  makeFolder(path: string): void
  /** Begins a file that must not be there yet and opens it for appending, for its owner only. */
  create(path: string): number
  /** Opens a file for appending that must be there. */
  append(path: string): number
  /** Answers how many bytes were written, which may be fewer than asked. */
  write(fd: number, bytes: Buffer, offset: number, length: number): number
  truncate(fd: number, length: number): void
  /** Whether the path still leads to this open file and the file has this length. */
  isUntouched(fd: number, path: string, length: number): boolean
  sync(fd: number): Promise<void>
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>
  close(fd: number): void
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW

export const systemFileOperations: AuditFileOperations = {
  makeFolder(path) {
    mkdirSync(path, { recursive: true, mode: FOLDER_MODE })
  },
  create: (path) => openSync(path, APPEND | constants.O_CREAT | constants.O_EXCL, FILE_MODE),
  append: (path) => openSync(path, APPEND),
  write: (fd, bytes, offset, length) => writeSync(fd, bytes, offset, length),
  truncate(fd, length) {
    ftruncateSync(fd, length)
  },
  isUntouched(fd, path, length) {
    const opened = fstatSync(fd)
    try {
      const named = statSync(path)
      return named.ino === opened.ino && named.dev === opened.dev && opened.size === length
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  },
  sync: (fd) =>
    new Promise((resolve, reject) => {
      fdatasync(fd, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    }),
  async syncFolder(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  close(fd) {
    closeSync(fd)
  },
}
