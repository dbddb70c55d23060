/** Everything in this process's memory, forgotten at its end: for tests, and for `--engine memory`. */
import {
  type Change,
  COLLECTIONS,
  type Collection,
  type PageRequest,
  type Store,
  StoreConflict,
  type StoredRecord,
  StoreUnavailable,
} from '../../../ports/store.ts'
import { checkChanges, compareKeys, firstKeyOf } from '../keys.ts'

export function createMemoryStore(): Store {
  const collections = new Map<Collection, SortedRecords>(COLLECTIONS.map((name) => [name, new SortedRecords()]))
  let revision = 0
  const recordsOf = (collection: Collection): SortedRecords => {
    const records = collections.get(collection)
    if (records === undefined) throw new StoreUnavailable('the store is closed')
    return records
  }
  return {
    engine: 'memory',
    async read(collection, key) {
      return copyOf(recordsOf(collection).get(key))
    },
    async page(collection, request) {
      return recordsOf(collection).page(request).map(copyOf)
    },
    async commit(changes: readonly Change[]) {
      checkChanges(changes)
      for (const { collection, key, expect } of changes) {
        if (expect === 'any') continue
        const found = recordsOf(collection).get(key)?.revision
        if (expect === 'absent' ? found !== undefined : found !== expect) throw new StoreConflict(collection, key)
      }
      revision++
      for (const { collection, key, body } of changes) {
        if (body === 'keep') continue
        if (body === null) recordsOf(collection).delete(key)
        else recordsOf(collection).set({ key, revision, body: new Uint8Array(body) })
      }
    },
    changeToken: () => revision,
    async close() {
      collections.clear()
    },
  }
}

/** Callers may overwrite what they were given, as with an engine that reads from a file. */
function copyOf<T extends StoredRecord | undefined>(record: T): T {
  return record === undefined ? record : { ...record, body: new Uint8Array(record.body) }
}

class SortedRecords {
  readonly #byKey = new Map<string, StoredRecord>()
  readonly #keys: string[] = []

  get(key: string): StoredRecord | undefined {
    return this.#byKey.get(key)
  }

  set(record: StoredRecord): void {
    if (!this.#byKey.has(record.key)) this.#keys.splice(this.#indexOfFirst(record.key), 0, record.key)
    this.#byKey.set(record.key, record)
  }

  delete(key: string): void {
    if (this.#byKey.delete(key)) this.#keys.splice(this.#indexOfFirst(key), 1)
  }

  page(request: PageRequest): StoredRecord[] {
    const found: StoredRecord[] = []
    for (let index = this.#indexOfFirst(firstKeyOf(request)); found.length < request.limit; index++) {
      const key = this.#keys[index]
      const record = key?.startsWith(request.prefix) ? this.#byKey.get(key) : undefined
      if (record === undefined) break
      found.push(record)
    }
    return found
  }

  /** Where the first key lies that is not before this one. */
  #indexOfFirst(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#keys[middle]
      if (at !== undefined && compareKeys(at, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
