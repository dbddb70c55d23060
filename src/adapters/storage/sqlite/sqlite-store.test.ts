import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { bytes, describeStoreContract, put, textOf } from '../../../../tests/contract/store.ts'
import { type Store, StoreTooNew, StoreUnavailable } from '../../../ports/store.ts'
import { outputOf, startProcess, temporaryFolder } from './sqlite-fixture.ts'
import { openSqliteStore } from './sqlite-store.ts'

const contractFolder = temporaryFolder()
let opened = 0
describeStoreContract('the SQLite store', async () =>
  openSqliteStore({ file: join(contractFolder, String(++opened), 'store.db') }),
)

function open(t: TestContext, file = join(temporaryFolder(t), 'data', 'store.db')): { store: Store; file: string } {
  const store = openSqliteStore({ file })
  t.after(() => store.close())
  return { store, file }
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

const unavailableSaying = (pattern: RegExp) => (error: unknown) =>
  error instanceof StoreUnavailable && pattern.test(error.message)

const contentsOf = (folder: string) =>
  readdirSync(folder).map((name) => [
    name,
    modeOf(join(folder, name)),
    readFileSync(join(folder, name)).toString('base64'),
  ])

test('what was committed is there after closing and opening again', async (t) => {
  const { store, file } = open(t)
  await Promise.all(Array.from({ length: 40 }, (_, number) => store.commit([put(`k${number}`, String(number))])))
  const before = await store.page('secrets', { prefix: '', limit: 100 })
  await store.close()
  const { store: again } = open(t, file)
  assert.deepEqual(await again.page('secrets', { prefix: '', limit: 100 }), before)
  await again.commit([put('later', 'x')])
  const later = await again.read('secrets', 'later')
  assert.ok(before.every(({ revision }) => revision < (later?.revision ?? 0)))
})

test('closing waits for the commits that were asked for before', async (t) => {
  const { store, file } = open(t)
  const commits = Array.from({ length: 10 }, (_, number) => store.commit([put(`k${number}`, 'x')]))
  await store.close()
  await Promise.all(commits)
  const { store: again } = open(t, file)
  assert.equal((await again.page('secrets', { prefix: '', limit: 100 })).length, 10)
})

test('the folder and every file in it are their owner’s only', { skip: process.platform === 'win32' }, async (t) => {
  const folder = join(temporaryFolder(t), 'data')
  mkdirSync(folder, { mode: 0o755 })
  const file = join(folder, 'store.db')
  writeFileSync(file, '')
  chmodSync(file, 0o644)
  const { store } = open(t, file)
  await store.commit([put('k', 'x')])
  assert.equal(modeOf(folder), '700')
  assert.deepEqual(
    readdirSync(folder).map((name) => [name, modeOf(join(folder, name))]),
    [
      ['store.db', '600'],
      ['store.db-shm', '600'],
      ['store.db-wal', '600'],
    ],
  )
})

test('data of a newer program is refused with what to do, and not touched', async (t) => {
  const { store, file } = open(t)
  await store.commit([put('k', 'x')])
  await store.close()
  const newer = new DatabaseSync(file)
  newer.exec('PRAGMA user_version = 9999')
  newer.close()
  if (process.platform !== 'win32') chmodSync(file, 0o640)
  const before = contentsOf(join(file, '..'))
  const isExplained = (error: unknown) => error instanceof StoreTooNew && /run the newer version/.test(error.message)
  assert.throws(() => openSqliteStore({ file }), isExplained)
  assert.throws(() => openSqliteStore({ file, forward: async () => undefined }), isExplained)
  const main = contentsOf(join(file, '..')).filter(([name]) => !/-(?:wal|shm)$/.test(name ?? ''))
  assert.deepEqual(main, before)
})

test('a file that is something else is refused with what to do', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  writeFileSync(file, 'no database at all, but long enough to look like one\n'.repeat(200))
  assert.throws(() => openSqliteStore({ file }), unavailableSaying(/not a data file of Keyhaven/))
})

test('a damaged file is told when it is read, with what to do', async (t) => {
  const { store, file } = open(t)
  await store.commit(Array.from({ length: 500 }, (_, number) => put(`k${number}`, 'x'.repeat(600))))
  await store.close()
  const { size } = statSync(file)
  truncateSync(file, 4096 * 30)
  truncateSync(file, size)
  const { store: damaged } = open(t, file)
  await assert.rejects(
    damaged.page('secrets', { prefix: '', limit: 1_000 }),
    unavailableSaying(/damaged: stop the server, keep the file for analysis and restore a backup/),
  )
})

test('a folder that cannot be made is told with what to do', async (t) => {
  const file = join(temporaryFolder(t), 'file')
  writeFileSync(file, '')
  assert.throws(() => openSqliteStore({ file: join(file, 'store.db') }), unavailableSaying(/a file is in its place/))
})

test('a reading process does not make a data file', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'store.db')
  const forward = async () => undefined
  assert.throws(() => openSqliteStore({ file, forward }), unavailableSaying(/start the writing process first/))
  writeFileSync(file, '')
  assert.throws(() => openSqliteStore({ file, forward }), unavailableSaying(/start the writing process first/))
})

test('several stores may be opened on a new file at once', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  const processes = Array.from({ length: 4 }, () => startProcess(t, 'incrementer', file, '5'))
  await Promise.all(processes.map(async (child) => assert.deepEqual(await outputOf(child), [])))
  assert.equal(await textOf(open(t, file).store, 'counter'), '20')
})

test('a copy is taken from one moment while commits go on, and opens as a store', async (t) => {
  const { store, file } = open(t)
  const filling = Array.from({ length: 200 }, (_, number) => put(`filling ${number}`, 'x'.repeat(60_000)))
  await store.commit([...filling, put('left', '0'), put('right', '0')])
  const target = join(file, '..', 'copy.db')
  const seen: [number, number][] = []
  let isCopied = false
  const copying = store
    .copyTo?.(target, (done, total) => seen.push([done, total]))
    .then(() => {
      isCopied = true
    })
  let round = 0
  while (!isCopied) {
    round++
    await store.commit([put('left', String(round)), put('right', String(round))])
  }
  await copying
  const [last] = seen.slice(-1)
  assert.ok(seen.length > 1 && last !== undefined && last[0] === last[1])
  if (process.platform !== 'win32') assert.equal(modeOf(target), '600')
  const { store: copy } = open(t, target)
  assert.equal(await textOf(copy, 'left'), await textOf(copy, 'right'))
  assert.equal((await copy.page('secrets', { prefix: 'filling', limit: 1_000 })).length, filling.length)
  await copy.commit([put('left', 'writable')])
})

test('a copy does not replace a file', async (t) => {
  const { store, file } = open(t)
  const target = join(file, '..', 'copy.db')
  writeFileSync(target, 'precious')
  await assert.rejects(async () => store.copyTo?.(target), /EEXIST/)
  assert.equal(readFileSync(target, 'utf8'), 'precious')
})

const GOING = 'DELETED-BYTES'
const STAYING = 'STAYING-BYTES'

const stays = (key: string) => key.endsWith('7')

/** Writes and deletes so much, in such an order, that pages split and merge and leave copies of records behind. */
async function churn(store: Store): Promise<void> {
  let state = 1
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (state >>> 8) % below
  }
  for (let round = 0; round < 120; round++) {
    await store.commit(
      Array.from({ length: 100 }, () => {
        const key = `k${String(random(3_000)).padStart(5, '0')}`
        const body = bytes((stays(key) ? STAYING : GOING).repeat(random(10) === 0 ? 1 + random(500) : 1 + random(90)))
        return { collection: 'secrets', key, expect: 'any', body: random(3) === 0 ? null : body }
      }),
    )
  }
}

async function removeGoing(store: Store): Promise<void> {
  const records = await store.page('secrets', { prefix: '', limit: 10_000 })
  await store.commit(
    records
      .filter(({ key }) => !stays(key))
      .map(({ key, revision }) => ({ collection: 'secrets', key, expect: revision, body: null })),
  )
}

async function countOf(t: TestContext, file: string, text: string): Promise<number> {
  const [count] = await outputOf(startProcess(t, 'searcher', join(file, '..'), text))
  return Number(count)
}

test('after deleting and scrubbing, the deleted bytes are in no file', async (t) => {
  const { store, file } = open(t)
  await churn(store)
  assert.notEqual(await countOf(t, file, GOING), 0)
  await removeGoing(store)
  const staying = await store.page('secrets', { prefix: '', limit: 10_000 })
  await store.scrub?.()
  assert.equal(await countOf(t, file, GOING), 0)
  assert.notEqual(await countOf(t, file, STAYING), 0)
  assert.deepEqual(await store.page('secrets', { prefix: '', limit: 10_000 }), staying)
})

test('scrubbing says so when somebody still reads what was deleted, and can be repeated', async (t) => {
  const { store, file } = open(t)
  await store.commit([put('k', GOING)])
  const other = new DatabaseSync(file)
  other.exec('BEGIN')
  other.prepare('SELECT * FROM "secrets"').all()
  await removeGoing(store)
  await assert.rejects(async () => store.scrub?.(), unavailableSaying(/try again later/))
  other.close()
  await store.scrub?.()
  assert.equal(await countOf(t, file, GOING), 0)
})
