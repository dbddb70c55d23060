import { rmSync } from 'node:fs'
import { backup } from 'node:sqlite'
import { createPrivateFile, openForReading } from './connection.ts'
import { unavailable } from './sqlite-errors.ts'

/** Copied at a time, after which progress is told: 8 MiB. */
const PAGES_PER_STEP = 2_048

/**
 * Copies a data file that is in use, as it is at the moment of the call, to a new file that only its owner can read.
 * The copying happens outside this thread. Leaves no file behind when it fails; refuses a target that exists.
 */
export async function copyFile(
  file: string,
  target: string,
  progress: (done: number, total: number) => void = () => undefined,
): Promise<void> {
  createPrivateFile(target)
  try {
    const source = openForReading(file)
    try {
      // A transaction that has read keeps its state until it ends. Without one the copy would begin anew whenever
      // somebody commits, and never end on a busy server.
      source.exec('BEGIN')
      source.prepare('SELECT "value" FROM "storeRevision"').get()
      const total = await backup(source, target, {
        rate: PAGES_PER_STEP,
        progress: ({ totalPages, remainingPages }) => {
          progress(totalPages - remainingPages, totalPages)
        },
      })
      progress(total, total)
    } finally {
      source.close()
    }
  } catch (error) {
    rmSync(target, { force: true })
    throw unavailable(error, `copying to ${target}`)
  }
}
