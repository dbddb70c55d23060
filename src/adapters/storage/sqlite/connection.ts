/**
 * How every connection to the data file is opened, and what the file is on disk: owner-only, in WAL mode, with the
 * schema of this program.
 *
 * Nothing in this process may open the data file through `node:fs`: closing such a handle drops the locks that SQLite
 * holds on the file (POSIX locks belong to the process), and another process could then pull the log away under us.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreUnavailable } from '../../../ports/store.ts'
import { migrate, migrations, stepsTakenBy } from './migrations.ts'

/** How long a statement waits for another process's transaction. */
export const BUSY_TIMEOUT_MS = 10_000
/** Records lie in the pages of the tree; small pages keep small what one commit writes. */
const PAGE_BYTES = 4096
/** Reads come straight from the system's page cache, up to the limit built into Node's SQLite: 2 GiB less 64 KiB. */
const MAPPED_BYTES = 2_147_418_112
/** What lies beyond the mapped part, or in the log, is kept here. */
const CACHE_KIB = 32_768
/** The log is cut back to this after something, such as a backup, made it grow. */
const KEPT_LOG_BYTES = 64 * 1024 * 1024

/** Makes the file where there is none, and brings it to this program's schema. Throws StoreTooNew, changing nothing. */
export function prepareFile(file: string): void {
  if (existsSync(file)) refuseNewer(file)
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  ensurePrivateFile(file)
  makePrivate(folder)
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
    database.exec('PRAGMA journal_mode = WAL')
    migrate(database, file)
  } finally {
    database.close()
  }
}

/** A connection that cannot write by mistake. Throws StoreUnavailable while no writer has prepared the file. */
export function openForReading(file: string): DatabaseSync {
  // Opening would make an empty file that a writer could not tell from a damaged one.
  if (!existsSync(file)) throw new StoreUnavailable(`there is no data file ${file}: start the writing process first`)
  return open(file, (database) => {
    database.exec('PRAGMA query_only = ON')
    if (stepsTakenBy(database, file) < migrations.length) {
      throw new StoreUnavailable(`${file} is older than this program: start the writing process first`)
    }
  })
}

/** A connection whose commits are durable when they return, and whose deletions overwrite what they free. */
export function openForWriting(file: string): DatabaseSync {
  return open(file, (database) => {
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA secure_delete = ON')
    database.exec('PRAGMA temp_store = MEMORY')
    database.exec(`PRAGMA journal_size_limit = ${KEPT_LOG_BYTES}`)
  })
}

function open(file: string, configure: (database: DatabaseSync) => void): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(`PRAGMA mmap_size = ${MAPPED_BYTES}`)
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    configure(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Read-only, so that not even a log that the newer program left behind is worked into the file. */
function refuseNewer(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    stepsTakenBy(database, file)
  } finally {
    database.close()
  }
}

/** Makes an empty file that only its owner can read; throws EEXIST for a file that is there. Its log gets its mode. */
export function createPrivateFile(file: string): void {
  closeSync(openSync(file, 'wx', 0o600))
}

/** Makes the file where there is none, and takes it away from everybody but its owner where there is one. */
export function ensurePrivateFile(file: string): void {
  try {
    createPrivateFile(file)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
    if (process.platform !== 'win32') chmodSync(file, 0o600)
  }
}

function makePrivate(folder: string): void {
  if (process.platform === 'win32') return
  try {
    chmodSync(folder, 0o700)
  } catch (error) {
    // A mounted volume belongs to somebody else and keeps its mode; the files in it have their own.
    if (!isSystemError(error, 'EPERM')) throw error
  }
}

const isSystemError = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code
