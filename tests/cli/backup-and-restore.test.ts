import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { RealServer } from '../support/real-server.ts'
import {
  assertDone,
  assertRefusedCommand,
  assertWritten,
  connectToDev,
  type DevClient,
  scratch,
  startWriter,
} from './dev-fixture.ts'

const { root, newFolder, run, startDev } = scratch()
const folder = newFolder()
const rootKey = join(folder, 'root.key')
const backup = join(root, 'backup.db')
let server: RealServer
let client: DevClient
let acknowledgedBefore = 0
let blob = ''

before(async () => {
  server = await startDev(folder)
  client = await connectToDev(server)
  await client.send('PUT', '/secrets/of-a-blob', { value: 'first' })
  await client.send('PUT', '/secrets/of-a-blob', { value: 'second' })
  blob = (await client.send('POST', '/secrets/of-a-blob/backup')).json.value
  const writer = startWriter(client)
  await writer.wrote(20)
  acknowledgedBefore = writer.count
  const [done] = await Promise.all([run('backup', '--to', backup, '--data', folder, '--json'), writer.wrote(20)])
  assertDone(done)
  assert.deepEqual(JSON.parse(done.stdout), { file: backup })
  await writer.stop()
  client.close()
  await server.kill()
})

describe('keyhaven backup', () => {
  test('makes one file, for its owner only, while a server writes', () => {
    assert.equal(statSync(backup).mode & 0o777, 0o600)
    assert.ok(!readdirSync(root).some((name) => name.endsWith('.partial')))
  })

  test('never overwrites', async () => {
    const text = readFileSync(backup)
    assertRefusedCommand(
      await run('backup', '--to', backup, '--data', folder),
      /backup\.db exists already; a backup never/,
    )
    assert.deepEqual(readFileSync(backup), text)
  })

  test('needs a file to write to, and a folder with data', async () => {
    assertRefusedCommand(await run('backup', '--data', folder), /name the file to make with --to/)
    const to = join(root, 'nothing.db')
    assertRefusedCommand(await run('backup', '--to', to, '--data', join(root, 'nothing')), /there is no data in/)
    assertRefusedCommand(
      await run('backup', '--to', '/nowhere/at/all.db', '--data', folder),
      /the folder of \/nowhere\/at\/all\.db does not exist/,
    )
    assert.ok(!existsSync(to))
  })
})

describe('keyhaven restore', () => {
  test('makes a folder from which a server answers what was acknowledged before the backup', async () => {
    const restored = newFolder()
    assertDone(await run('restore', '--from', backup, '--data', restored, '--root-key-file', rootKey))
    assertDone(await run('doctor', '--data', restored, '--root-key-file', rootKey))
    const second = await startDev(restored, '--root-key-file', rootKey)
    try {
      const other = await connectToDev(second)
      // One after the other, so a consistent copy holds them without a gap.
      await assertWritten(other, acknowledgedBefore)
      assert.equal((await other.send('GET', '/secrets/of-a-blob')).json.value, 'second')
      assert.equal((await other.send('GET', '/secrets/of-a-blob/versions')).json.value.length, 2)
      // It is the same installation, so blobs of single secrets open too.
      await other.send('DELETE', '/secrets/of-a-blob')
      await other.send('DELETE', '/deletedsecrets/of-a-blob')
      assert.equal((await other.send('POST', '/secrets/restore', { value: blob })).status, 200)
      assert.equal((await other.send('GET', '/secrets/of-a-blob')).json.value, 'second')
      other.close()
    } finally {
      await second.stop()
    }
    const verify = await run('audit', 'verify', '--json', '--data', restored, '--root-key-file', rootKey)
    assert.equal(JSON.parse(verify.stdout).findings.length <= 1, true, verify.stdout)
  })

  test('refuses another root key, and leaves nothing behind', async () => {
    const restored = newFolder()
    const other = join(root, 'other.key')
    writeFileSync(other, `keyhaven root key, version 1\n${'1'.repeat(64)}\n`, { mode: 0o600 })
    assertRefusedCommand(
      await run('restore', '--from', backup, '--data', restored, '--root-key-file', other),
      /the file root key is not the one that sealed this data/,
    )
    assertRefusedCommand(await run('restore', '--from', backup, '--data', restored), /root\.key does not exist/)
    assert.deepEqual(readdirSync(restored), [])
  })

  test('refuses a folder that holds data, a file that is not there, and one that is no backup', async () => {
    assertRefusedCommand(
      await run('restore', '--from', backup, '--data', folder, '--root-key-file', rootKey),
      /holds data already; restore into a new folder/,
    )
    assertRefusedCommand(
      await run('restore', '--from', join(root, 'missing.db'), '--data', newFolder()),
      /missing\.db does not exist/,
    )
    const noBackup = join(root, 'no-backup.db')
    writeFileSync(noBackup, 'This is no backup at all. '.repeat(1000))
    const target = newFolder()
    assertRefusedCommand(
      await run('restore', '--from', noBackup, '--data', target, '--root-key-file', rootKey),
      /is not a data file of Keyhaven/,
    )
    assert.deepEqual(readdirSync(target), [])
    assertRefusedCommand(await run('restore', '--from', backup), /restore needs --from and --data/)
  })

  test('refuses a file that was cut off', async () => {
    const cut = join(root, 'cut.db')
    copyFileSync(backup, cut)
    writeFileSync(cut, readFileSync(cut).subarray(0, 20_000))
    const target = newFolder()
    const refused = await run('restore', '--from', cut, '--data', target, '--root-key-file', rootKey)
    assertRefusedCommand(refused, /damaged|not a data file|lacks|missing|no data/)
    assert.deepEqual(readdirSync(target), [])
  })
})
