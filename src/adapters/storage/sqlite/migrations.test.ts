import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { StoreTooNew } from '../../../ports/store.ts'
import { type Migration, migrate, stepsTakenBy } from './migrations.ts'

const steps: readonly Migration[] = [
  (database) => {
    database.exec('CREATE TABLE "one" ("x" INTEGER)')
  },
  (database) => {
    database.exec('CREATE TABLE "two" ("x" INTEGER)')
  },
]

const tablesOf = (database: DatabaseSync) =>
  database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ name }) => name)

test('only the missing steps are taken, once', () => {
  using database = new DatabaseSync(':memory:')
  migrate(database, 'file', steps.slice(0, 1))
  assert.deepEqual(tablesOf(database), ['one'])
  migrate(database, 'file', steps)
  migrate(database, 'file', steps)
  assert.deepEqual(tablesOf(database), ['one', 'two'])
  assert.equal(stepsTakenBy(database, 'file', steps), 2)
})

test('a step that fails leaves the data as it was', () => {
  using database = new DatabaseSync(':memory:')
  const failing: Migration = (inside) => {
    inside.exec('CREATE TABLE "half" ("x" INTEGER)')
    inside.exec('no SQL')
  }
  migrate(database, 'file', steps.slice(0, 1))
  assert.throws(() => {
    migrate(database, 'file', [...steps, failing])
  }, /syntax error/)
  assert.deepEqual(tablesOf(database), ['one'])
  assert.equal(stepsTakenBy(database, 'file', steps), 1)
})

test('data with more steps than the program knows is refused', () => {
  using database = new DatabaseSync(':memory:')
  migrate(database, 'file', steps)
  assert.throws(() => {
    migrate(database, 'file', steps.slice(0, 1))
  }, StoreTooNew)
})
