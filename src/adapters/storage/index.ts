/** The storage engines there are; each loads only when it is asked for. */
import { join } from 'node:path'
import type { Store } from '../../ports/store.ts'

export interface StorageOptions {
  /** Where engines that keep data keep it. */
  readonly folder: string
}

export const DATABASE_FILE = 'keyhaven.db'

export const storageEngines: Readonly<Record<string, (options: StorageOptions) => Promise<Store>>> = {
  async memory() {
    const { createMemoryStore } = await import('./memory/memory-store.ts')
    return createMemoryStore()
  },
  async sqlite({ folder }) {
    const { openSqliteStore } = await import('./sqlite/sqlite-store.ts')
    return openSqliteStore({ file: join(folder, DATABASE_FILE) })
  },
}
