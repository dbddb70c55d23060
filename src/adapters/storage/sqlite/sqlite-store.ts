/**
 * The store on SQLite, in WAL mode with full synchronisation: a commit is acknowledged after its fsync.
 *
 * Commits that are asked for in the same turn of the event loop share one transaction, and so one fsync; each has a
 * savepoint of its own, so the conflict of one does not touch the others. One process writes; others on the same data
 * folder read the file directly and hand their commits to it (see commit-forwarding.ts). A short-lived command line tool
 * may open the file as a second writer: everything a commit expects is checked inside its transaction.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { backup, DatabaseSync, type StatementSync } from 'node:sqlite'
import {
  type Change,
  COLLECTIONS,
  type Collection,
  type PageRequest,
  type Store,
  StoreConflict,
  type StoredRecord,
} from '../../../ports/store.ts'
import { migrate } from './migrations.ts'
import { unavailable } from './sqlite-errors.ts'

/** How long a statement waits for another process's transaction. */
const BUSY_TIMEOUT_MS = 10_000
const CACHE_KIB = 65_536
/** Reads come straight from the page cache of the system; SQLite caps this at 2 GiB less 64 KiB. */
const MAPPED_BYTES = 2_147_418_112
/** Commits that share one transaction at most. */
const MAX_GROUP = 512
const PAGES_PER_BACKUP_STEP = 1_000

export interface SqliteStoreOptions {
  readonly file: string
  /** A reader hands commits to `forward` instead of writing. */
  readonly forward?: (changes: readonly Change[]) => Promise<void>
  /** For fault tests: wraps the database before it is used. */
  readonly wrap?: (database: DatabaseSync) => DatabaseSync
}

interface CollectionStatements {
  readonly read: StatementSync
  readonly revision: StatementSync
  readonly page: StatementSync
  readonly write: StatementSync
  readonly remove: StatementSync
}

interface Waiting {
  readonly changes: readonly Change[]
  resolve(): void
  reject(error: unknown): void
}

export function openSqliteStore({ file, forward, wrap = (database) => database }: SqliteStoreOptions): Store {
  let database: DatabaseSync
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    database = wrap(new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS }))
    if (process.platform !== 'win32') chmodSync(file, 0o600)
    if (forward === undefined) {
      database.exec('PRAGMA journal_mode = WAL')
      database.exec('PRAGMA synchronous = FULL')
      database.exec('PRAGMA secure_delete = ON')
      migrate(database, file)
    } else {
      database.exec('PRAGMA query_only = ON')
    }
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    database.exec(`PRAGMA mmap_size = ${MAPPED_BYTES}`)
  } catch (error) {
    throw unavailable(error, `opening ${file}`)
  }
  const statements = new Map<Collection, CollectionStatements>()
  const dataVersion = database.prepare('PRAGMA data_version')
  let waiting: Waiting[] = []
  let isFlushing = false
  let isClosed = false
  let seenDataVersion = -1
  let token = 0

  function statementsOf(collection: Collection): CollectionStatements {
    const known = statements.get(collection)
    if (known !== undefined) return known
    if (!COLLECTIONS.includes(collection)) throw new Error(`there is no collection ${collection}`)
    const prepared: CollectionStatements = {
      read: database.prepare(`SELECT "revision", "body" FROM "${collection}" WHERE "key" = ?`),
      revision: database.prepare(`SELECT "revision" FROM "${collection}" WHERE "key" = ?`),
      page: database.prepare(
        `SELECT "key", "revision", "body" FROM "${collection}" WHERE "key" >= ? AND "key" > ? AND "key" < ? ORDER BY "key" LIMIT ?`,
      ),
      write: database.prepare(
        `INSERT INTO "${collection}" ("key", "revision", "body") VALUES (?, ?, ?) ON CONFLICT ("key") DO UPDATE SET "revision" = excluded."revision", "body" = excluded."body"`,
      ),
      remove: database.prepare(`DELETE FROM "${collection}" WHERE "key" = ?`),
    }
    statements.set(collection, prepared)
    return prepared
  }

  function apply(changes: readonly Change[], revision: number): void {
    for (const { collection, key, expect } of changes) {
      if (expect === 'any') continue
      const found = statementsOf(collection).revision.get(key)?.revision
      if (expect === 'absent' ? found !== undefined : found !== expect) throw new StoreConflict(collection, key)
    }
    for (const { collection, key, body } of changes) {
      if (body === 'keep') continue
      if (body === null) statementsOf(collection).remove.run(key)
      else statementsOf(collection).write.run(key, revision, body)
    }
  }

  /** One transaction for the whole group. */
  function commitGroup(group: readonly Waiting[]): void {
    const outcomes: (StoreConflict | undefined)[] = []
    try {
      database.exec('BEGIN IMMEDIATE')
      let revision = Number(readRevision.get()?.value)
      for (const { changes } of group) {
        revision++
        database.exec('SAVEPOINT one')
        try {
          apply(changes, revision)
          outcomes.push(undefined)
        } catch (error) {
          if (!(error instanceof StoreConflict)) throw error
          database.exec('ROLLBACK TO one')
          outcomes.push(error)
        }
        database.exec('RELEASE one')
      }
      writeRevision.run(revision)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) rollback()
      const problem = unavailable(error, 'committing')
      for (const { reject } of group) reject(problem)
      return
    }
    token++
    group.forEach(({ resolve, reject }, index) => {
      const conflict = outcomes[index]
      if (conflict === undefined) resolve()
      else reject(conflict)
    })
  }

  function rollback(): void {
    try {
      database.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself after some errors; the commits are refused either way.
    }
  }

  function flush(): void {
    isFlushing = false
    const group = waiting.splice(0, MAX_GROUP)
    if (group.length > 0) commitGroup(group)
    if (waiting.length > 0) schedule()
  }

  function schedule(): void {
    if (isFlushing) return
    isFlushing = true
    setImmediate(flush)
  }

  const readRevision = forward === undefined ? database.prepare('SELECT "value" FROM "storeRevision"') : dataVersion
  const writeRevision =
    forward === undefined ? database.prepare('UPDATE "storeRevision" SET "value" = ?') : dataVersion

  return {
    engine: 'sqlite',
    async read(collection, key) {
      try {
        const row = statementsOf(collection).read.get(key)
        if (row === undefined) return undefined
        return { key, revision: row.revision as number, body: row.body as Uint8Array }
      } catch (error) {
        throw unavailable(error, `reading ${collection}`)
      }
    },
    async page(collection, { prefix, from, after, limit }: PageRequest) {
      const first = from !== undefined && from > prefix ? from : prefix
      try {
        const rows = statementsOf(collection).page.all(first, after ?? '', `${prefix}${LAST_CHARACTER}`, limit)
        return rows as unknown as readonly StoredRecord[]
      } catch (error) {
        throw unavailable(error, `reading ${collection}`)
      }
    },
    commit(changes) {
      if (forward !== undefined) return forward(changes)
      if (isClosed) return Promise.reject(unavailable(new Error('the store is closed'), 'committing'))
      return new Promise<void>((resolve, reject) => {
        waiting.push({ changes, resolve, reject })
        schedule()
      })
    },
    changeToken() {
      const now = dataVersion.get()?.data_version as number
      if (now !== seenDataVersion) {
        seenDataVersion = now
        token++
      }
      return token
    },
    async copyTo(target, progress) {
      await backup(database, target, {
        rate: PAGES_PER_BACKUP_STEP,
        progress: ({ totalPages, remainingPages }) => progress?.(totalPages - remainingPages, totalPages),
      })
      if (process.platform !== 'win32') chmodSync(target, 0o600)
    },
    async scrub() {
      if (forward === undefined) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    },
    async close() {
      if (isClosed) return
      isClosed = true
      while (waiting.length > 0) commitGroup(waiting.splice(0, MAX_GROUP))
      database.close()
    },
  }
}

/** Sorts after every character a key may hold behind its prefix. */
const LAST_CHARACTER = '\u{10ffff}'
