/** A process that tests start to work on a data file, named by the role it plays. It prints one line per thing done. */
import { StoreConflict } from '../../../ports/store.ts'
import { forwardCommits } from './commit-forwarding.ts'
import { acquireFolderLock } from './folder-lock.ts'
import { openSqliteStore } from './sqlite-store.ts'

const print = (line: string) => process.stdout.write(`${line}\n`)
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

const roles: Readonly<Record<string, (place: string, argument: string) => Promise<void>>> = {
  /** Several at once commit pairs of records without end, and print the name of each pair that was acknowledged. */
  async committer(file, round) {
    const store = openSqliteStore({ file })
    const commitPairs = async (committer: number) => {
      for (let number = 0; ; number++) {
        const name = `${round}-${committer}-${number}`
        await store.commit([
          { collection: 'secrets', key: `${name}/left`, expect: 'absent', body: bytes(name) },
          { collection: 'secretVersions', key: `${name}/right`, expect: 'absent', body: bytes(name) },
        ])
        print(name)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, committer) => commitPairs(committer)))
  },

  /** Increments a counter, as a command line tool beside a running server would. */
  async incrementer(file, times) {
    const store = openSqliteStore({ file })
    for (let done = 0; done < Number(times); ) {
      const found = await store.read('secrets', 'counter')
      const count = found === undefined ? 0 : Number(Buffer.from(found.body).toString())
      try {
        await store.commit([
          {
            collection: 'secrets',
            key: 'counter',
            expect: found?.revision ?? 'absent',
            body: bytes(String(count + 1)),
          },
        ])
        done++
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
      }
    }
    await store.close()
  },

  /** Reads the file itself and commits through its parent, as told by messages [what, key, text]. */
  async reader(file) {
    const store = openSqliteStore({ file, forward: forwardCommits(process) })
    process.on('message', (message) => {
      if (!Array.isArray(message)) return
      const [what, key, text] = message.map(String)
      if (what === 'read') {
        void store.read('secrets', key ?? '').then((record) => print(Buffer.from(record?.body ?? []).toString()))
      } else if (what === 'token') print(String(store.changeToken?.()))
      else {
        store.commit([{ collection: 'secrets', key: key ?? '', expect: 'absent', body: bytes(text ?? '') }]).then(
          () => print('committed'),
          (error: unknown) => print(error instanceof Error ? error.name : 'unknown'),
        )
      }
    })
    print('ready')
  },

  /** Commits once and forgets to close its store. */
  async forgetful(file) {
    const store = openSqliteStore({ file })
    await store.commit([{ collection: 'secrets', key: 'k', expect: 'absent', body: bytes('x') }])
    print('committed')
    if (process.connected) process.disconnect()
  },

  /** Holds the lock of a folder until it is killed. */
  async holder(folder) {
    acquireFolderLock(folder)
    // Listening keeps the channel, and with it the process.
    process.on('disconnect', () => process.exit())
    print('held')
  },

  /** Counts how often a text is in the files of a folder. Not done in the test's own process: see connection.ts. */
  async searcher(folder, text) {
    const { readdirSync, readFileSync } = await import('node:fs')
    const counts = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, 'latin1').split(text).length - 1)
    print(String(counts.reduce((sum, count) => sum + count, 0)))
    if (process.connected) process.disconnect()
  },
}

const [, , role = '', place = '', argument = ''] = process.argv
await roles[role]?.(place, argument)
