import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A server already runs on the data folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/**
 * Makes this the only server on a data folder, until released or until the process ends, however it ends: the lock is an
 * open transaction on a small file, which the system drops with the process.
 */
export function acquireFolderLock(folder: string): () => void {
  const database = new DatabaseSync(join(folder, 'server.lock'), { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = DELETE')
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new FolderInUse(
      `another Keyhaven server runs on ${folder}: stop it, or give this one another folder with --data`,
      { cause },
    )
  }
  return () => {
    database.close()
  }
}
