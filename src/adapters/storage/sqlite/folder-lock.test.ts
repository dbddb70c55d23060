import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreUnavailable } from '../../../ports/store.ts'
import { acquireFolderLock, FolderInUse } from './folder-lock.ts'
import { exitOf, linesOf, startProcess, temporaryFolder } from './sqlite-fixture.ts'

const namesFolder = (folder: string) => (error: unknown) =>
  error instanceof FolderInUse &&
  error.message.includes(folder) &&
  /stop it, or give this one another/.test(error.message)

test('a folder is locked once, until it is released', (t) => {
  const folder = temporaryFolder(t)
  const release = acquireFolderLock(folder)
  assert.throws(() => acquireFolderLock(folder), namesFolder(folder))
  release()
  release()
  acquireFolderLock(folder)()
})

test('the lock of a process that is killed is free again', async (t) => {
  const folder = temporaryFolder(t)
  const holder = startProcess(t, 'holder', folder)
  assert.deepEqual(await linesOf(holder).next(), { done: false, value: 'held' })
  assert.throws(() => acquireFolderLock(folder), namesFolder(folder))
  holder.kill('SIGKILL')
  await exitOf(holder)
  acquireFolderLock(folder)()
})

test('the lock file is its owner’s only', { skip: process.platform === 'win32' }, (t) => {
  const folder = temporaryFolder(t)
  const release = acquireFolderLock(folder)
  assert.equal(statSync(join(folder, 'server.lock')).mode & 0o777, 0o600)
  release()
})

test('a folder that is not there is told as such', (t) => {
  const folder = join(temporaryFolder(t), 'missing')
  assert.throws(
    () => acquireFolderLock(folder),
    (error) => error instanceof StoreUnavailable && error.message.includes(folder),
  )
})
