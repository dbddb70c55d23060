/**
 * The store on SQLite, in WAL mode with full synchronisation.
 *
 * Reads are synchronous statements on this thread, a few microseconds each. Commits go to a thread of their own (see
 * writer.ts), where those that arrive together share one transaction and one fsync (commit-queue.ts). One process
 * writes; others on the same data folder read the file directly and hand their commits to it (commit-forwarding.ts). A
 * short-lived command line tool may open the file as a second writer: everything a commit expects is checked inside its
 * transaction. What was acknowledged is seen by the next read in any process.
 */
import type { SQLOutputValue, StatementSync } from 'node:sqlite'
import { type Change, MAX_KEY_BYTES, type Store, type StoredRecord, StoreUnavailable } from '../../../ports/store.ts'
import { checkChanges, firstKeyOf } from '../keys.ts'
import { perCollection } from './collection-statements.ts'
import { openForReading, prepareFile } from './connection.ts'
import { copyFile } from './copy-file.ts'
import { unavailable } from './sqlite-errors.ts'
import { openWriter, type Writer } from './writer.ts'

/** No key of a prefix sorts after the prefix and this, because the last character there is fills a key up with it. */
const LAST_KEY_END = '\u{10ffff}'.repeat(MAX_KEY_BYTES / 4)

export interface SqliteStoreOptions {
  /** Made, with its folder, when it does not exist. */
  readonly file: string
  /** A reading process hands its commits to this instead of writing; the file must exist then. */
  readonly forward?: (changes: readonly Change[]) => Promise<void>
}

interface ReadStatements {
  readonly one: StatementSync
  readonly page: StatementSync
}

/** Throws StoreTooNew, changing nothing, and StoreUnavailable with a sentence that says what to do. */
export function openSqliteStore({ file, forward }: SqliteStoreOptions): Store {
  return forward === undefined
    ? openAsWriter(file)
    : openAsReader(file, { commit: forward, close: async () => undefined })
}

function openAsWriter(file: string): Store {
  translated(`opening ${file}`, () => {
    prepareFile(file)
  })
  const writer = openWriter(file)
  return { ...openAsReader(file, writer), scrub: () => writer.scrub() }
}

function openAsReader(file: string, writer: Pick<Writer, 'commit' | 'close'>): Store {
  const database = translated(`opening ${file}`, () => openForReading(file))
  const statementsOf = perCollection(
    (table): ReadStatements => ({
      one: database.prepare(`SELECT "revision", "body" FROM ${table} WHERE "key" = ?`),
      page: database.prepare(
        `SELECT "key", "revision", "body" FROM ${table} WHERE "key" >= ? AND "key" <= ? ORDER BY "key" LIMIT ?`,
      ),
    }),
  )
  const dataVersion = database.prepare('PRAGMA data_version')
  const begin = database.prepare('BEGIN')
  const end = database.prepare('COMMIT')
  let isInTurn = false
  let tokenOfTurn: number | undefined

  /**
   * Reads of one turn of the event loop share a transaction, which costs less than one each, and the change token. They
   * are for requests that were sent before the turn began, so what was committed until then is all they can know; a
   * commit of this process ends the turn when it is acknowledged.
   */
  function inTurn<T>(act: () => T): T {
    return translated('reading', () => {
      if (!isInTurn) {
        begin.run()
        isInTurn = true
        setImmediate(endTurn)
      }
      return act()
    })
  }

  function endTurn(): void {
    tokenOfTurn = undefined
    if (!isInTurn) return
    isInTurn = false
    try {
      if (database.isOpen && database.isTransaction) end.run()
    } catch {
      // It only read; whoever read got the error already. What is left of the transaction must not outlive the turn.
      if (database.isTransaction) database.exec('ROLLBACK')
    }
  }

  return {
    engine: 'sqlite',
    async read(collection, key) {
      const row = inTurn(() => statementsOf(collection).one.get(key))
      return row === undefined ? undefined : recordOf(key, row)
    },
    async page(collection, request) {
      const first = firstKeyOf(request)
      const last = request.prefix + LAST_KEY_END
      const rows = inTurn(() => statementsOf(collection).page.all(first, last, request.limit))
      return rows.map((row) => recordOf(row.key, row))
    },
    async commit(changes) {
      checkChanges(changes)
      try {
        await writer.commit(changes)
      } finally {
        endTurn()
      }
    },
    changeToken() {
      // It moves with every commit of another connection, and this connection makes none.
      tokenOfTurn ??= Number(inTurn(() => dataVersion.get())?.data_version)
      return tokenOfTurn
    },
    async copyTo(target, progress) {
      await copyFile(file, target, progress)
    },
    async close() {
      if (!database.isOpen) return
      endTurn()
      // First, so that the thread is the one that works the log into the file.
      database.close()
      await writer.close()
    },
  }
}

function recordOf(key: SQLOutputValue | undefined, { revision, body }: Record<string, SQLOutputValue>): StoredRecord {
  if (typeof key === 'string' && typeof revision === 'number' && body instanceof Uint8Array)
    return { key, revision, body }
  throw new StoreUnavailable('the store holds a row of another shape: restore a backup')
}

function translated<T>(doing: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw unavailable(error, doing)
  }
}
