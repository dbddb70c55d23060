import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { runInProcess } from '../support/run-in-process.ts'
import { assertDone, assertRefusedCommand, assertWritten, connectToDev, scratch, startWriter } from './dev-fixture.ts'

const { root, newFolder, run, startDev } = scratch()

/** Keys of a collection as they lie in the data file. */
function keysIn(folder: string, collection: 'rootKeys' | 'vaultKeys'): readonly string[] {
  const database = new DatabaseSync(join(folder, 'keyhaven.db'), { readOnly: true })
  try {
    return database
      .prepare(`SELECT "key" FROM "${collection}" ORDER BY "key"`)
      .all()
      .map(({ key }) => String(key))
  } finally {
    database.close()
  }
}

const newPassphraseFile = (name: string, passphrase: string): string => {
  const file = join(root, name)
  writeFileSync(file, `${passphrase}\n`, { mode: 0o600 })
  return file
}

describe('keyhaven keys, while a server runs and clients write', () => {
  test('rotates the root key, the keys of all vaults and what protects them, and nothing is lost', async () => {
    const folder = newFolder()
    const server = await startDev(folder)
    const client = await connectToDev(server)
    const writer = startWriter(client)
    await writer.wrote(10)
    const keysBefore = { root: keysIn(folder, 'rootKeys'), vault: keysIn(folder, 'vaultKeys') }

    const data = ['--data', folder]
    assertDone(await runInProcess('keys', 'rotate-root', ...data))
    const rotated = await runInProcess('keys', 'rotate-vault', '--all', ...data)
    assertDone(rotated)
    assert.match(rotated.stdout, /identities and settings: a new key; the old one is destroyed\.\ndev: a new key/)
    assertDone(await runInProcess('keys', 'rotate-vault', '--vault', 'dev', ...data))
    const after = { root: keysIn(folder, 'rootKeys'), vault: keysIn(folder, 'vaultKeys') }
    assert.equal(after.root.length, 2)
    assert.ok(after.root.every((key) => key === 'current' || !keysBefore.root.includes(key)))
    assert.ok(after.vault.includes('installation/00000002'))
    assert.ok(after.vault.some((key) => key.endsWith('/00000003')))
    assert.ok(after.vault.filter((key) => key.endsWith('/00000001')).every((key) => key.startsWith('backup/')))

    const passphraseFile = newPassphraseFile('passphrase', 'a passphrase for this test')
    const change = ['keys', 'change-root-key', '--new-root-key', 'passphrase', '--new-passphrase-file', passphraseFile]
    const changed = await runInProcess(...change, ...data)
    assertDone(changed)
    assert.match(changed.stdout, /start the server with it from now on/)
    await writer.wrote(10)
    await writer.stop()
    client.close()
    assert.equal((await server.stop()).code, 0)

    // The old file opens nothing any more; the passphrase does, without the file.
    assertRefusedCommand(
      await runInProcess('doctor', ...data),
      /the file root key is not the one that sealed this data/,
    )
    rmSync(join(folder, 'root.key'))
    const byPassphrase = ['--root-key', 'passphrase', '--passphrase-file', passphraseFile]
    assertDone(await runInProcess('doctor', ...data, ...byPassphrase))
    const second = await startDev(folder, ...byPassphrase)
    const secondClient = await connectToDev(second)
    const written = await assertWritten(secondClient, writer.count)

    // And back to a file, a new one, while this server runs.
    const newFile = join(root, 'new-root.key')
    assertDone(
      await runInProcess(
        'keys',
        'change-root-key',
        '--new-root-key',
        'file',
        '--new-root-key-file',
        newFile,
        ...data,
        ...byPassphrase,
      ),
    )
    assertDone(await runInProcess('keys', 'rotate-root', ...data, '--root-key-file', newFile))
    assert.equal((await secondClient.send('PUT', '/secrets/after', { value: 'still works' })).status, 200)
    secondClient.close()
    await second.kill()
    assertRefusedCommand(
      await runInProcess('doctor', ...data, ...byPassphrase),
      /the passphrase root key is not the one that sealed this data/,
    )
    assertDone(await runInProcess('doctor', ...data, '--root-key-file', newFile))
    const third = await startDev(folder, '--root-key-file', newFile)
    const thirdClient = await connectToDev(third)
    await assertWritten(thirdClient, written)
    assert.equal((await thirdClient.send('GET', '/secrets/after')).json.value, 'still works')
    thirdClient.close()
    await third.stop()
  })

  test('rotates by several processes at once without losing anything', async () => {
    const folder = newFolder()
    const server = await startDev(folder)
    const client = await connectToDev(server)
    const writer = startWriter(client)
    await writer.wrote(20)
    const data = ['--data', folder]
    const results = await Promise.all([
      run('keys', 'rotate-vault', '--all', ...data),
      run('keys', 'rotate-vault', '--all', ...data),
      run('keys', 'rotate-root', ...data),
      run('keys', 'rotate-root', ...data),
    ])
    for (const { code, stderr } of results) {
      if (code !== 0) assert.match(stderr, /run it again/)
    }
    assert.ok(results.some(({ code }) => code === 0))
    await writer.stop()
    assertDone(await run('keys', 'rotate-vault', '--all', ...data))
    assertDone(await run('keys', 'rotate-root', ...data))
    assertDone(await run('doctor', ...data))
    assert.equal(keysIn(folder, 'rootKeys').length, 2)
    await assertWritten(client, writer.count)
    client.close()
    await server.stop()
  })
})

describe('keyhaven keys refuses', () => {
  test('what it does not know, and settings that lack something', async () => {
    const folder = newFolder()
    const server = await startDev(folder)
    await server.stop()
    const data = ['--data', folder]
    const unknown = await runInProcess('keys', 'explode', ...data)
    assert.equal(unknown.code, 2)
    assert.match(unknown.stderr, /there is no "explode"/)
    assertRefusedCommand(
      await runInProcess('keys', 'rotate-vault', ...data),
      /name the vault with --vault, or say --all/,
    )
    assertRefusedCommand(
      await runInProcess('keys', 'rotate-vault', '--vault', 'nothing', ...data),
      /there is no vault nothing/,
    )
    assertRefusedCommand(await runInProcess('keys', 'change-root-key', ...data), /--new-root-key is file or passphrase/)
    assertRefusedCommand(
      await runInProcess('keys', 'change-root-key', '--new-root-key', 'file', ...data),
      /name the new file with --new-root-key-file/,
    )
    const short = newPassphraseFile('short', 'too short')
    assertRefusedCommand(
      await runInProcess(
        'keys',
        'change-root-key',
        '--new-root-key',
        'passphrase',
        '--new-passphrase-file',
        short,
        ...data,
      ),
      /fewer than 12 characters/,
    )
    assertDone(await runInProcess('doctor', ...data))
  })
})
