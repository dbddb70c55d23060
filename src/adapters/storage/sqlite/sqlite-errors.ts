/** The border where errors of SQLite and the file system become the port's: what is wrong, and what to do about it. */
import { StoreConflict, StoreTooNew, StoreUnavailable } from '../../../ports/store.ts'

const FULL = 'the disk is full: make room on it, nothing that was acknowledged is lost'
const READ_ONLY =
  'the data cannot be written to: check owner and mode of the data folder, and that its disk is not mounted read-only'
const DAMAGED = 'the data file is damaged: stop the server, keep the file for analysis and restore a backup'
const DISK = 'the disk reports an error: check the disk before anything else'
const NO_FOLDER = 'the data folder cannot be made, because a file is in its place: name another folder with --data'
const BUSY = 'another process is writing for too long: wait for it or end it, then try again'

/** By SQLite's primary result codes, https://sqlite.org/rescode.html */
const adviceBySqliteCode: Readonly<Record<number, string>> = {
  3: READ_ONLY,
  5: BUSY,
  6: BUSY,
  7: 'the process has no memory left: give it more',
  8: READ_ONLY,
  10: DISK,
  11: DAMAGED,
  13: FULL,
  14: 'the data file cannot be opened: check that its folder exists and who owns it',
  26: 'the file is not a data file of Keyhaven: check the folder given with --data',
}

const adviceBySystemCode: Readonly<Record<string, string>> = {
  EACCES: READ_ONLY,
  EPERM: READ_ONLY,
  EROFS: READ_ONLY,
  ENOSPC: FULL,
  EDQUOT: FULL,
  EIO: DISK,
  ENOENT: 'its folder does not exist',
  EEXIST: NO_FOLDER,
  ENOTDIR: NO_FOLDER,
  // What node:sqlite says of a statement whose database was closed.
  ERR_INVALID_STATE: 'the store is closed',
}

/**
 * The port's error for a driver's, with the driver's as its cause. The port's own errors stay as they are, and so does
 * everything that no driver threw: those are faults of the program.
 */
export function unavailable(error: unknown, doing: string): Error {
  if (!(error instanceof Error)) return new StoreUnavailable(`the store failed while ${doing}`, { cause: error })
  if (error instanceof StoreUnavailable || error instanceof StoreConflict || error instanceof StoreTooNew) return error
  if ('errcode' in error && typeof error.errcode === 'number') {
    return failed(doing, adviceBySqliteCode[primaryCodeOf(error.errcode)] ?? error.message, error)
  }
  const advice = 'code' in error && typeof error.code === 'string' ? adviceBySystemCode[error.code] : undefined
  return advice === undefined ? error : failed(doing, advice, error)
}

export const isBusy = (error: unknown) =>
  error instanceof Error &&
  'errcode' in error &&
  typeof error.errcode === 'number' &&
  primaryCodeOf(error.errcode) === 5

/** SQLite's longer codes hold the primary one in their lowest byte. */
const primaryCodeOf = (code: number) => code & 0xff

const failed = (doing: string, advice: string, cause: Error) =>
  new StoreUnavailable(`the store failed while ${doing}: ${advice}`, { cause })
