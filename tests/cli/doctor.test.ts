import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, test } from 'node:test'
import { runInProcess } from '../support/run-in-process.ts'
import { connectToDev, scratch } from './dev-fixture.ts'

const { newFolder, startDev } = scratch()
const folder = newFolder()

interface Row {
  readonly key: string
  readonly body: Uint8Array
}

before(async () => {
  const server = await startDev(folder)
  const client = await connectToDev(server)
  for (const value of ['first', 'second']) await client.send('PUT', '/secrets/one', { value })
  for (const name of ['two', 'three']) await client.send('PUT', `/secrets/${name}`, { value: `value of ${name}` })
  await client.send('DELETE', '/secrets/three')
  client.close()
  assert.equal((await server.stop()).code, 0)
})

/** What somebody does who can write to the data file; undone afterwards. */
async function withEdit(edit: (database: DatabaseSync) => void, use: () => Promise<void>): Promise<void> {
  const file = join(folder, 'keyhaven.db')
  const open = () => new DatabaseSync(file)
  const database = open()
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'storeRevision'")
    .all()
    .map(({ name }) => String(name))
  const rows = tables.map((table) => [table, database.prepare(`SELECT * FROM "${table}"`).all()] as const)
  edit(database)
  database.close()
  try {
    await use()
  } finally {
    const restored = open()
    for (const [table, kept] of rows) {
      restored.exec(`DELETE FROM "${table}"`)
      const insert = restored.prepare(`INSERT INTO "${table}" ("key", "revision", "body") VALUES (?, ?, ?)`)
      for (const { key, revision, body } of kept) insert.run(key ?? null, revision ?? null, body ?? null)
    }
    restored.close()
  }
}

function rowsOf(database: DatabaseSync, table: string): Row[] {
  return database
    .prepare(`SELECT "key", "body" FROM "${table}" ORDER BY "key"`)
    .all()
    .map(({ key, body }) => {
      assert.ok(body instanceof Uint8Array)
      return { key: String(key), body }
    })
}

function write(database: DatabaseSync, table: string, { key, body }: Row): void {
  database.prepare(`UPDATE "${table}" SET "body" = ? WHERE "key" = ?`).run(body, key)
}

async function doctor() {
  const { code, stdout, stderr } = await runInProcess('doctor', '--json', '--data', folder)
  assert.equal(stderr, '')
  const { checked, problems } = JSON.parse(stdout)
  return {
    code,
    checked,
    problems: problems.map((p: { collection: string; key: string }) => `${p.collection} ${p.key}`),
  }
}

describe('keyhaven doctor', () => {
  test('finds nothing wrong with what a server wrote, with exit code 0', async () => {
    const { code, checked, problems } = await doctor()
    assert.equal(code, 0)
    assert.deepEqual(problems, [])
    assert.ok(checked > 20)
    const { stdout } = await runInProcess('doctor', '--data', folder)
    assert.equal(stdout, `${checked} records checked, 0 with problems\n`)
  })

  for (const table of ['secrets', 'secretVersions', 'deletedSecrets', 'scheduledPurges', 'vaults', 'signingKeys']) {
    test(`finds one flipped byte in ${table}, and names the record with exit code 1`, async () => {
      let key = ''
      await withEdit(
        (database) => {
          const [row] = rowsOf(database, table)
          assert.ok(row !== undefined, `no record in ${table}`)
          const body = Uint8Array.from(row.body)
          const at = body.byteLength >> 1
          body[at] = (body[at] ?? 0) ^ 4
          write(database, table, { key: row.key, body })
          key = row.key
        },
        async () => {
          const { code, problems } = await doctor()
          assert.equal(code, 1)
          assert.deepEqual(problems, [`${table} ${key}`])
          const { stdout } = await runInProcess('doctor', '--data', folder)
          assert.match(stdout, /does not open: it was changed, moved or sealed by another key\n.* 1 with problems\n$/)
          assert.ok(!stdout.includes('value of'))
        },
      )
    })
  }

  test('finds both of two rows that were swapped', async () => {
    let keys: string[] = []
    await withEdit(
      (database) => {
        const [one, two] = rowsOf(database, 'secrets')
        assert.ok(one !== undefined && two !== undefined)
        write(database, 'secrets', { key: one.key, body: two.body })
        write(database, 'secrets', { key: two.key, body: one.body })
        keys = [one.key, two.key]
      },
      async () => {
        const { code, problems } = await doctor()
        assert.equal(code, 1)
        assert.deepEqual(
          problems,
          keys.map((key) => `secrets ${key}`),
        )
      },
    )
  })

  test('finds an older version put in the place of the current one', async () => {
    await withEdit(
      (database) => {
        const [older] = rowsOf(database, 'secretVersions')
        const current = rowsOf(database, 'secrets').find(({ key }) => key.endsWith('/one'))
        assert.ok(older !== undefined && current !== undefined)
        write(database, 'secrets', { key: current.key, body: older.body })
      },
      async () => {
        const { code, problems } = await doctor()
        assert.equal(code, 1)
        assert.equal(problems.length, 1)
      },
    )
  })

  test('finds a value that was cut off', async () => {
    await withEdit(
      (database) => {
        const [row] = rowsOf(database, 'secrets')
        assert.ok(row !== undefined)
        const view = Buffer.from(row.body)
        write(database, 'secrets', { key: row.key, body: view.subarray(0, 9 + view.readUInt32BE(5)) })
      },
      async () => assert.equal((await doctor()).problems.length, 1),
    )
  })

  test('is well again once the edits are undone', async () => {
    assert.equal((await doctor()).code, 0)
  })

  test('refuses a folder without data', async () => {
    const { code, stderr } = await runInProcess('doctor', '--data', newFolder())
    assert.equal(code, 1)
    assert.match(stderr, /^keyhaven doctor: there is no data in /)
  })
})
