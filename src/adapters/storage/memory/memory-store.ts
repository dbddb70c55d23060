import {
  type Change,
  COLLECTIONS,
  type Collection,
  type PageRequest,
  type Store,
  StoreConflict,
  type StoredRecord,
} from '../../../ports/store.ts'

/** Everything in this process's memory, forgotten at its end: for tests, and for `--engine memory`. */
export function createMemoryStore(): Store {
  const collections = new Map<Collection, SortedRecords>(COLLECTIONS.map((name) => [name, new SortedRecords()]))
  let revision = 0
  const recordsOf = (collection: Collection): SortedRecords => {
    const records = collections.get(collection)
    if (records === undefined) throw new Error(`there is no collection ${collection}`)
    return records
  }
  return {
    engine: 'memory',
    async read(collection, key) {
      return recordsOf(collection).get(key)
    },
    async page(collection, request) {
      return recordsOf(collection).page(request)
    },
    async commit(changes: readonly Change[]) {
      for (const { collection, key, expect } of changes) {
        if (expect === 'any') continue
        const found = recordsOf(collection).get(key)?.revision
        if (expect === 'absent' ? found !== undefined : found !== expect) throw new StoreConflict(collection, key)
      }
      revision++
      for (const { collection, key, body } of changes) {
        if (body === 'keep') continue
        if (body === null) recordsOf(collection).delete(key)
        else recordsOf(collection).set({ key, revision, body: Uint8Array.from(body) })
      }
    },
    changeToken: () => revision,
    async close() {
      collections.clear()
    },
  }
}

/** Records by key, with the keys in the order of their UTF-8 bytes. */
class SortedRecords {
  readonly #byKey = new Map<string, StoredRecord>()
  readonly #keys: Buffer[] = []

  get(key: string): StoredRecord | undefined {
    return this.#byKey.get(key)
  }

  set(record: StoredRecord): void {
    if (!this.#byKey.has(record.key)) {
      const bytes = Buffer.from(record.key)
      this.#keys.splice(this.#firstAtOrAfter(bytes), 0, bytes)
    }
    this.#byKey.set(record.key, record)
  }

  delete(key: string): void {
    if (this.#byKey.delete(key)) this.#keys.splice(this.#firstAtOrAfter(Buffer.from(key)), 1)
  }

  page({ prefix, after, from, limit }: PageRequest): readonly StoredRecord[] {
    const prefixBytes = Buffer.from(prefix)
    const found: StoredRecord[] = []
    const starts = [prefix, from ?? '', after ?? ''].map((text) => this.#firstAtOrAfter(Buffer.from(text)))
    for (let index = Math.max(...starts); index < this.#keys.length && found.length < limit; index++) {
      const bytes = this.#keys[index]
      if (bytes === undefined || !bytes.subarray(0, prefixBytes.length).equals(prefixBytes)) break
      const record = this.#byKey.get(bytes.toString())
      if (record !== undefined && record.key !== after) found.push(record)
    }
    return found
  }

  #firstAtOrAfter(bytes: Buffer): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#keys[middle]
      if (at !== undefined && at.compare(bytes) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
