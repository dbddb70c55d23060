// How many durable commits of one row a single client gets, one after the other: the rate that group commit has to
// beat. `plain` is node:sqlite by hand and the limit of the disk and the engine; `store` is Keyhaven's own SQLite store
// through its port, the only part of src/ that this package touches.
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { busySecondsOfMachine } from '../measuring/cpu.mjs'
import { quantile } from '../measuring/statistics.mjs'
import { secretName } from '../names.mjs'

const MAX_COMMITS = 1_000_000

process.once('message', async ({ engine, folder, bodyBytes, warmUpSeconds, seconds }) => {
  const { commit, close } = await { plain: openPlain, store: openStore }[engine](folder)
  const body = new Uint8Array(bodyBytes)
  let written = 0
  const commitOne = async () => {
    // Random bytes, since SQLite leaves a page alone that would not change and then nothing has to reach the disk.
    randomFillSync(body)
    await commit(secretName('commit', written), body)
    written += 1
  }
  const until = async (endMs, latenciesMs) => {
    for (let nowMs = performance.now(); nowMs < endMs && written < MAX_COMMITS; ) {
      await commitOne()
      const afterMs = performance.now()
      latenciesMs?.push(afterMs - nowMs)
      nowMs = afterMs
    }
  }
  await until(performance.now() + warmUpSeconds * 1000)

  const latenciesMs = []
  const startedMs = performance.now()
  const busyBefore = busySecondsOfMachine()
  const cpuBefore = process.cpuUsage()
  await until(startedMs + seconds * 1000, latenciesMs)
  const wallSeconds = (performance.now() - startedMs) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const ownSeconds = (cpu.user + cpu.system) / 1e6
  const foreignSeconds = Math.max(0, busySecondsOfMachine() - busyBefore - ownSeconds)
  await close()

  const sorted = latenciesMs.toSorted((a, b) => a - b)
  process.send(
    {
      perSecond: latenciesMs.length / wallSeconds,
      latencyMs: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
      foreignCores: foreignSeconds / wallSeconds,
    },
    () => process.disconnect(),
  )
})

function openPlain(folder) {
  const database = new DatabaseSync(join(folder, 'plain.sqlite'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec('CREATE TABLE records (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID, STRICT')
  const insert = database.prepare('INSERT INTO records (key, body) VALUES (?, ?)')
  return { commit: (key, body) => insert.run(key, body), close: () => database.close() }
}

async function openStore(folder) {
  const { openSqliteStore } = await import('../../src/adapters/storage/sqlite/sqlite-store.ts')
  const store = openSqliteStore({ file: join(folder, 'store.sqlite') })
  return {
    commit: (key, body) => store.commit([{ collection: 'secretVersions', key, expect: 'absent', body }]),
    close: () => store.close(),
  }
}
