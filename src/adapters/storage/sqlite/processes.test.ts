import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { put, textOf } from '../../../../tests/contract/store.ts'
import { StoreUnavailable } from '../../../ports/store.ts'
import { serveCommits } from './commit-forwarding.ts'
import { prepareFile } from './connection.ts'
import { exitOf, linesOf, outputOf, startProcess, temporaryFolder } from './sqlite-fixture.ts'
import { openSqliteStore } from './sqlite-store.ts'
import { openWriter } from './writer.ts'

const KILLS = 5

test('a process killed while it commits loses nothing that it acknowledged, and leaves nothing half done', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  const acknowledged: string[] = []
  for (let round = 0; round < KILLS; round++) {
    const child = startProcess(t, 'committer', file, String(round))
    const killAfter = acknowledged.length + 40 + round * 61
    for await (const name of linesOf(child)) {
      acknowledged.push(name)
      if (acknowledged.length === killAfter) child.kill('SIGKILL')
    }
    await exitOf(child)
    const store = openSqliteStore({ file })
    const left = (await store.page('secrets', { prefix: '', limit: 1_000_000 })).map(({ key }) =>
      key.replace('/left', ''),
    )
    const right = (await store.page('secretVersions', { prefix: '', limit: 1_000_000 })).map(({ key }) =>
      key.replace('/right', ''),
    )
    assert.deepEqual(left, right)
    const stored = new Set(left)
    assert.deepEqual(
      acknowledged.filter((name) => !stored.has(name)),
      [],
    )
    await store.close()
  }
})

test('two processes see each other’s commits as soon as they were acknowledged', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  const store = openSqliteStore({ file })
  t.after(() => store.close())
  await store.commit([put('first', 'x')])
  const child = startProcess(t, 'reader', file)
  serveCommits(child, store)
  const answers = linesOf(child)
  const ask = async (...message: string[]) => {
    child.send(message)
    return (await answers.next()).value
  }
  assert.equal((await answers.next()).value, 'ready')
  for (let round = 0; round < 30; round++) {
    const [ownToken, otherToken] = [store.changeToken?.(), await ask('token')]
    await store.commit([put(`ours ${round}`, `a${round}`)])
    assert.equal(await ask('read', `ours ${round}`), `a${round}`)
    assert.equal(await ask('commit', `theirs ${round}`, `b${round}`), 'committed')
    assert.equal(await textOf(store, `theirs ${round}`), `b${round}`)
    assert.equal(await ask('commit', `ours ${round}`, 'x'), 'StoreConflict')
    assert.notEqual(store.changeToken?.(), ownToken)
    assert.notEqual(await ask('token'), otherToken)
  }
})

test('commits forwarded to a process that went away are refused as unavailable', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  prepareFile(file)
  const child = startProcess(t, 'reader', file)
  const answers = linesOf(child)
  await answers.next()
  // Nobody serves here, so the commits stay unanswered until the channel closes.
  child.send(['commit', 'a', 'x'])
  child.send(['commit', 'b', 'x'], () => {
    child.disconnect()
  })
  assert.equal((await answers.next()).value, 'StoreUnavailable')
  assert.equal((await answers.next()).value, 'StoreUnavailable')
})

test('a command line process may commit beside a running writer, and neither loses anything', async (t) => {
  const file = join(temporaryFolder(t), 'store.db')
  const store = openSqliteStore({ file })
  t.after(() => store.close())
  await store.commit([put('other', '0')])
  const child = startProcess(t, 'incrementer', file, '100')
  let commits = 0
  const ended = exitOf(child)
  for (let isEnded = false; !isEnded; commits++) {
    await store.commit([put('other', String(commits))])
    isEnded = child.exitCode !== null || child.signalCode !== null
  }
  assert.equal(await ended, 0)
  assert.equal(await textOf(store, 'counter'), '100')
  assert.equal(await textOf(store, 'other'), String(commits - 1))
})

test('an open store does not keep a process alive that has nothing more to do', async (t) => {
  const child = startProcess(t, 'forgetful', join(temporaryFolder(t), 'store.db'))
  assert.deepEqual(await outputOf(child), ['committed'])
  assert.equal(await exitOf(child), 0)
})

test('a writing thread that dies refuses its commits, and the next commit starts another one', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'later', 'store.db')
  const writer = openWriter(file)
  await assert.rejects(writer.commit([put('a', 'x')]), StoreUnavailable)
  await assert.rejects(writer.scrub(), StoreUnavailable)
  prepareFile(file)
  await writer.commit([put('a', 'x')])
  await writer.scrub()
  await writer.close()
  await writer.close()
  await assert.rejects(writer.commit([put('b', 'x')]), /the store is closed/)
})
