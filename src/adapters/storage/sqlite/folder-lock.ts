import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ensurePrivateFile } from './connection.ts'
import { isBusy, unavailable } from './sqlite-errors.ts'

/** A server already runs on the data folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/** Keeps locks from the garbage collector, which would close them, where nobody keeps the way to release them. */
const held = new Set<DatabaseSync>()

/**
 * Makes this the only server on an existing data folder, until the answered function is called or the process ends,
 * however it ends: the lock is an open transaction on a small file, which the system drops with the process. Throws
 * FolderInUse when another server has it, StoreUnavailable when the folder cannot be written to.
 */
export function acquireFolderLock(folder: string): () => void {
  let database: DatabaseSync | undefined
  try {
    const file = join(folder, 'server.lock')
    ensurePrivateFile(file)
    database = new DatabaseSync(file, { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (!isBusy(error)) throw unavailable(error, `locking ${folder}`)
    throw new FolderInUse(
      `another Keyhaven server runs on ${folder}: stop it, or give this one another folder with --data`,
      { cause: error },
    )
  }
  const lock = database
  held.add(lock)
  return () => {
    if (held.delete(lock)) lock.close()
  }
}
