import { StoreTooNew, StoreUnavailable } from '../../../ports/store.ts'

/** SQLite's primary result codes that somebody can do something about. */
const ADVICE: Readonly<Record<number, string>> = {
  5: 'another process holds the data for too long; end it or try again',
  8: 'the data folder cannot be written to: check its owner and mode',
  10: 'the disk reports an error: check it before anything else',
  11: 'the data file is damaged: restore a backup, and keep the damaged file for analysis',
  13: 'the disk is full: make room',
  14: 'the data file cannot be opened: check that the folder exists and who owns it',
  26: 'the file is no data file of Keyhaven',
}

/** What the port's users get to see of a driver's error; the error itself is the cause. */
export function unavailable(error: unknown, doing: string): Error {
  if (error instanceof StoreTooNew || error instanceof StoreUnavailable) return error
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  const advice = code === undefined ? undefined : ADVICE[code]
  return new StoreUnavailable(`the store failed while ${doing}${advice === undefined ? '' : `: ${advice}`}`, {
    cause: error,
  })
}
