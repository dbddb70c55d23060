import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { put } from '../../../../tests/contract/store.ts'
import { type Change, StoreConflict, StoreUnavailable } from '../../../ports/store.ts'
import { CommitQueue } from './commit-queue.ts'
import { openForWriting, prepareFile } from './connection.ts'
import { temporaryFolder } from './sqlite-fixture.ts'

/** Fails at its n-th statement, before or after having done what it says. */
class FailingDatabase extends DatabaseSync {
  failAt = 0
  failsAfter = false
  readonly done: string[] = []

  override prepare(sql: string): StatementSync {
    const statement = super.prepare(sql)
    const run = statement.run.bind(statement)
    const get = statement.get.bind(statement)
    Object.defineProperty(statement, 'run', {
      value: (...values: SQLInputValue[]) => this.#step(sql, () => run(...values)),
    })
    Object.defineProperty(statement, 'get', {
      value: (...values: SQLInputValue[]) => this.#step(sql, () => get(...values)),
    })
    return statement
  }

  override exec(sql: string): void {
    this.#step(sql, () => {
      super.exec(sql)
    })
  }

  #step<T>(sql: string, act: () => T): T {
    this.done.push(sql)
    const mustFail = this.done.length === this.failAt
    if (mustFail && !this.failsAfter) throw diskError()
    const result = act()
    if (mustFail) throw diskError()
    return result
  }
}

const diskError = () => Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 10 })

function prepared(t: TestContext): string {
  const file = join(temporaryFolder(t), 'store.db')
  prepareFile(file)
  return file
}

/** Keys as another connection sees them: what would be there after a kill. */
function keysIn(file: string): readonly string[] {
  using database = new DatabaseSync(file, { readOnly: true })
  return database
    .prepare('SELECT "key" FROM "secrets" ORDER BY "key"')
    .all()
    .map(({ key }) => String(key))
}

const pair = (name: string): readonly Change[] => [
  put(`${name}/left`, name, 'absent'),
  put(`${name}/right`, name, 'absent'),
]

for (const failsAfter of [false, true]) {
  const moment = failsAfter ? 'fails although it was carried out' : 'fails'
  test(`whichever statement ${moment}, acknowledged commits are there and the others whole or not at all`, async (t) => {
    let isSpared = false
    for (let n = 1; !isSpared; n++) {
      assert.ok(n < 100, 'the number of statements is bounded')
      const file = prepared(t)
      using database = new FailingDatabase(file)
      const queue = new CommitQueue(database)
      database.failAt = n
      database.failsAfter = failsAfter
      const names = ['a', 'b', 'c']
      const attempts = await Promise.allSettled([
        ...names.map((name) => queue.commit(pair(name))),
        queue.commit([...pair('d'), put('a/left', 'x', 'absent')]),
      ])
      isSpared = database.done.length < n
      const keys = keysIn(file)
      for (const [index, name] of names.entries()) {
        const attempt = attempts[index]
        const found = pair(name).filter(({ key }) => keys.includes(key)).length
        if (attempt?.status === 'fulfilled') assert.equal(found, 2, `statement ${n}: ${name} is lost`)
        else {
          assert.ok(attempt?.reason instanceof StoreUnavailable, `statement ${n}`)
          assert.ok(found === 0 || found === 2, `statement ${n}: half of ${name} is there`)
        }
      }
      assert.ok(!keys.some((key) => key.startsWith('d')), `statement ${n}: a conflict left something behind`)
      database.failAt = 0
      await queue.commit(pair('afterwards'))
      assert.ok(keysIn(file).includes('afterwards/right'), `statement ${n}: the queue does not go on`)
    }
  })
}

test('when COMMIT fails, every commit of the group is refused as unavailable and none is there', async (t) => {
  const file = prepared(t)
  using database = new FailingDatabase(file)
  const queue = new CommitQueue(database)
  await Promise.all([queue.commit(pair('before')), queue.commit(pair('before too'))])
  // The second group takes as many statements as the first one did, the last of which is COMMIT.
  database.failAt = database.done.length * 2
  const attempts = await Promise.allSettled([queue.commit(pair('a')), queue.commit(pair('b'))])
  assert.equal(database.done.at(database.failAt - 1), 'COMMIT')
  assert.ok(attempts.every((attempt) => attempt.status === 'rejected' && attempt.reason instanceof StoreUnavailable))
  assert.deepEqual(keysIn(file), ['before too/left', 'before too/right', 'before/left', 'before/right'])
})

test('commits of one turn share a transaction, and a conflict among them is theirs alone', async (t) => {
  const file = prepared(t)
  using database = new FailingDatabase(file)
  const queue = new CommitQueue(database)
  const attempts = await Promise.allSettled([
    ...Array.from({ length: 30 }, (_, number) => queue.commit(pair(String(number)))),
    queue.commit(pair('7')),
  ])
  assert.equal(database.done.filter((sql) => sql === 'COMMIT').length, 1)
  assert.equal(keysIn(file).length, 60)
  const [refused] = attempts.slice(-1)
  assert.ok(refused?.status === 'rejected' && refused.reason instanceof StoreConflict)
  assert.ok(attempts.slice(0, -1).every(({ status }) => status === 'fulfilled'))
})

test('nothing is acknowledged before COMMIT has returned', async (t) => {
  const file = prepared(t)
  using database = new FailingDatabase(file)
  const queue = new CommitQueue(database)
  let committedWhenTold: boolean | undefined
  await Promise.all([
    queue.commit(pair('a')).then(() => {
      committedWhenTold = database.done.at(-1) === 'COMMIT' && !database.isTransaction
    }),
    queue.commit(pair('b')),
  ])
  assert.equal(committedWhenTold, true)
})

test('a full disk refuses what does not fit, says so, and the store goes on', async (t) => {
  const file = prepared(t)
  using database = openForWriting(file)
  const queue = new CommitQueue(database)
  await queue.commit(pair('before'))
  const pages = Number(database.prepare('PRAGMA page_count').get()?.page_count)
  database.prepare(`PRAGMA max_page_count = ${pages + 5}`).get()
  await assert.rejects(
    queue.commit([put('large', 'x'.repeat(100_000))]),
    (error) => error instanceof StoreUnavailable && /the disk is full: make room/.test(error.message),
  )
  await queue.commit(pair('after'))
  assert.deepEqual(keysIn(file), ['after/left', 'after/right', 'before/left', 'before/right'])
})

test('while another process holds a transaction a commit waits, and is refused with what to do', async (t) => {
  const file = prepared(t)
  using database = openForWriting(file)
  using other = new DatabaseSync(file)
  database.exec('PRAGMA busy_timeout = 1')
  const queue = new CommitQueue(database)
  other.exec('BEGIN IMMEDIATE')
  await assert.rejects(
    queue.commit(pair('a')),
    (error) => error instanceof StoreUnavailable && /another process is writing/.test(error.message),
  )
  other.exec('COMMIT')
  await queue.commit(pair('a'))
})
