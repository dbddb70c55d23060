import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { TEST_PORTS } from '../support/real-server.ts'
import { runInProcess } from '../support/run-in-process.ts'
import { assertDone, assertRefusedCommand, scratch } from './dev-fixture.ts'

const { newFolder, run, startDev } = scratch()

const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

describe('a data folder', () => {
  test('takes one server at a time, and the next one when that is killed', async () => {
    const folder = newFolder()
    const first = await startDev(folder)
    const second = await run('dev', '--json', '--data', folder, ...TEST_PORTS)
    assertRefusedCommand(
      second,
      /another Keyhaven server runs on .*: stop it, or give this one another folder with --data/,
    )
    assert.equal(second.stdout, '')
    const withWorkers = await run('dev', '--json', '--data', folder, ...TEST_PORTS, '--workers', '2')
    assertRefusedCommand(withWorkers, /another Keyhaven server runs on/)
    await first.kill()
    const third = await startDev(folder)
    assert.equal(third.ready.clientSecret, first.ready.clientSecret)
    assert.equal((await third.stop()).code, 0)
  })

  test('of a newer program is refused by every command, and not touched', async () => {
    const folder = newFolder()
    const server = await startDev(folder)
    assert.equal((await server.stop()).code, 0)
    const file = join(folder, 'keyhaven.db')
    const database = new DatabaseSync(file)
    const { user_version: version } = database.prepare('PRAGMA user_version').get() ?? {}
    database.exec(`PRAGMA user_version = ${Number(version) + 1}`)
    database.close()
    const before = hashOf(file)
    const refused =
      /has schema \d+ and this version of Keyhaven knows schemas up to \d+: run the newer version that wrote it/
    assertRefusedCommand(await run('dev', '--json', ...TEST_PORTS, '--data', folder), refused)
    assert.equal(hashOf(file), before)
    for (const args of [
      ['doctor'],
      ['vault', 'list'],
      ['keys', 'rotate-root'],
      ['backup', '--to', join(folder, 'copy.db')],
    ]) {
      assertRefusedCommand(await runInProcess(...args, '--data', folder), refused)
      assert.equal(hashOf(file), before, args.join(' '))
    }
  })

  test('is opened by commands while a server runs, which sees at once what they change', async () => {
    const folder = newFolder()
    const server = await startDev(folder)
    assertDone(await run('vault', 'create', '--name', 'team-a', '--data', folder))
    assertDone(await run('doctor', '--data', folder))
    assertDone(await run('audit', 'verify', '--data', folder))
    assert.equal((await server.stop()).code, 0)
  })
})
