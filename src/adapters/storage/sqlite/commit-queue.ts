/**
 * Group commit: everything asked for while the last transaction was being written shares the next one, and so one
 * fsync. Each commit has a savepoint of its own, so the conflict of one does not touch the others. Nothing is
 * acknowledged before COMMIT has returned.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Change, type Collection, StoreConflict, StoreUnavailable } from '../../../ports/store.ts'
import { perCollection } from './collection-statements.ts'
import { unavailable } from './sqlite-errors.ts'

/** Commits that share one transaction at most, so that nobody waits for a very large one. */
const MAX_COMMITS_PER_TRANSACTION = 512

interface CollectionStatements {
  readonly revision: StatementSync
  readonly write: StatementSync
  readonly remove: StatementSync
}

interface QueuedCommit {
  readonly changes: readonly Change[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class CommitQueue {
  readonly #database: DatabaseSync
  readonly #statementsOf: (collection: Collection) => CollectionStatements
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #savepoint: StatementSync
  readonly #release: StatementSync
  readonly #undo: StatementSync
  readonly #readRevision: StatementSync
  readonly #writeRevision: StatementSync
  #queued: QueuedCommit[] = []
  #isScheduled = false

  /** The database must have been opened for writing; it stays the caller's to close. */
  constructor(database: DatabaseSync) {
    this.#database = database
    this.#statementsOf = perCollection((table) => ({
      revision: database.prepare(`SELECT "revision" FROM ${table} WHERE "key" = ?`),
      write: database.prepare(
        `INSERT INTO ${table} ("key", "revision", "body") VALUES (?, ?, ?) ON CONFLICT ("key") DO UPDATE SET "revision" = excluded."revision", "body" = excluded."body"`,
      ),
      remove: database.prepare(`DELETE FROM ${table} WHERE "key" = ?`),
    }))
    this.#begin = database.prepare('BEGIN IMMEDIATE')
    this.#commit = database.prepare('COMMIT')
    this.#savepoint = database.prepare('SAVEPOINT "one"')
    this.#release = database.prepare('RELEASE "one"')
    this.#undo = database.prepare('ROLLBACK TO "one"')
    this.#readRevision = database.prepare('SELECT "value" FROM "storeRevision"')
    this.#writeRevision = database.prepare('UPDATE "storeRevision" SET "value" = ?')
  }

  /** As the port says; the transaction begins after everything that is ready to run now has had its turn. */
  commit(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queued.push({ changes, resolve, reject })
      this.#schedule()
    })
  }

  /** Commits at once whatever is queued. */
  flush(): void {
    while (this.#queued.length > 0) this.#flushGroup()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flushGroup()
      if (this.#queued.length > 0) this.#schedule()
    })
  }

  #flushGroup(): void {
    const group = this.#queued.splice(0, MAX_COMMITS_PER_TRANSACTION)
    if (group.length === 0) return
    let conflicts: readonly (StoreConflict | undefined)[]
    try {
      this.#rollBack()
      conflicts = this.#commitGroup(group)
    } catch (error) {
      const problem = unavailable(error, 'committing')
      try {
        this.#rollBack()
      } catch {
        // It is tried again before the next transaction; these commits are refused either way.
      }
      for (const { reject } of group) reject(problem)
      return
    }
    for (const [index, { resolve, reject }] of group.entries()) {
      const conflict = conflicts[index]
      if (conflict === undefined) resolve()
      else reject(conflict)
    }
  }

  /** Answers the conflict of each commit, or undefined where it is now durable. */
  #commitGroup(group: readonly QueuedCommit[]): readonly (StoreConflict | undefined)[] {
    this.#begin.run()
    const before = this.#readRevision.get()?.value
    if (typeof before !== 'number') throw new StoreUnavailable('the data file lacks its revision: restore a backup')
    let revision = before
    const conflicts = group.map(({ changes }) => {
      this.#savepoint.run()
      const conflict = this.#apply(changes, revision + 1)
      if (conflict === undefined) revision++
      else this.#undo.run()
      this.#release.run()
      return conflict
    })
    if (revision > before) this.#writeRevision.run(revision)
    this.#commit.run()
    return conflicts
  }

  #apply(changes: readonly Change[], revision: number): StoreConflict | undefined {
    for (const { collection, key, expect } of changes) {
      if (expect === 'any') continue
      const found = this.#statementsOf(collection).revision.get(key)?.revision
      if (expect === 'absent' ? found !== undefined : found !== expect) return new StoreConflict(collection, key)
    }
    for (const { collection, key, body } of changes) {
      if (body === 'keep') continue
      if (body === null) this.#statementsOf(collection).remove.run(key)
      else this.#statementsOf(collection).write.run(key, revision, body)
    }
    return undefined
  }

  /** Ends a transaction that an error left open; after some errors SQLite has done so by itself. */
  #rollBack(): void {
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
  }
}
