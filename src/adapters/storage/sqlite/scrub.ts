import type { DatabaseSync } from 'node:sqlite'
import { StoreUnavailable } from '../../../ports/store.ts'
import { BUSY_TIMEOUT_MS } from './connection.ts'

/**
 * Data files up to this size are written anew: SQLite overwrites a record that it deletes, but not the copies it left
 * in neighbouring pages when it moved the record to another page before. Beyond this size it would hold up commits for
 * too long, and such a copy stays until its page fills again.
 */
const MAX_REWRITTEN_BYTES = 64 * 1024 * 1024
/** How long readers may keep the log from being emptied. Commits wait meanwhile. */
const MAX_WAIT_MS = 1_000

/**
 * Leaves no deleted bytes in the data file and its log. Throws StoreUnavailable while somebody reads an older state, as
 * a running backup does; it may be repeated.
 */
export function scrub(database: DatabaseSync): void {
  database.exec(`PRAGMA busy_timeout = ${MAX_WAIT_MS}`)
  try {
    if (numberOf(database, 'page_count') * numberOf(database, 'page_size') <= MAX_REWRITTEN_BYTES)
      database.exec('VACUUM')
    const checkpoint = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
    if (checkpoint?.busy !== 0) {
      throw new StoreUnavailable(
        'deleted bytes are still in the log, because somebody reads an older state: try again later',
      )
    }
  } finally {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
  }
}

function numberOf(database: DatabaseSync, pragma: 'page_count' | 'page_size'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])
}
