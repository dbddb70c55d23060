/**
 * Lets the audit log's writes to its files fail. The table of file operations itself is changed, because a whole server
 * opens its sink with it.
 */
import { systemFileOperations } from '../../src/adapters/audit-sinks/file/file-operations.ts'

/** Nothing is written, a part is, or all of it and then the write fails all the same. */
export type WriteFault = 'nothing' | 'part' | 'all'

export const WRITE_FAULTS: readonly WriteFault[] = ['nothing', 'part', 'all']

export interface FailingAuditWrites extends Disposable {
  /** Lets the n-th write from now on fail, counted from 1, and `count` in all. */
  failAt(write: number, fault: WriteFault, count?: number): void
  /** Lets cutting off the remains of a failed write fail too, or not any more. */
  failTruncations(isFailing: boolean): void
  /** How many writes have failed. */
  readonly failed: number
}

export function failingAuditWrites(): FailingAuditWrites {
  const { write, truncate } = systemFileOperations
  let untilFailure = Number.POSITIVE_INFINITY
  let left = 0
  let fault: WriteFault = 'nothing'
  let failed = 0
  let isTruncationFailing = false
  systemFileOperations.write = (fd, bytes, offset, length) => {
    if (--untilFailure > 0 || left === 0) return write(fd, bytes, offset, length)
    left--
    failed++
    if (fault === 'all') write(fd, bytes, offset, length)
    if (fault === 'part') write(fd, bytes, offset, length >> 1)
    throw Object.assign(new Error('no space in rack 7'), { code: 'ENOSPC' })
  }
  systemFileOperations.truncate = (fd, length) => {
    if (isTruncationFailing) throw Object.assign(new Error('no truncation in rack 7'), { code: 'EIO' })
    truncate(fd, length)
  }
  return {
    failAt(at, next, count = 1) {
      untilFailure = at
      fault = next
      left = count
    },
    failTruncations(isFailing) {
      isTruncationFailing = isFailing
    },
    get failed() {
      return failed
    },
    [Symbol.dispose]() {
      systemFileOperations.write = write
      systemFileOperations.truncate = truncate
    },
  }
}
