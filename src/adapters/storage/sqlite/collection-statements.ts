import { COLLECTIONS, type Collection } from '../../../ports/store.ts'

/** Statements are prepared when a collection is first used, and kept. */
export function perCollection<T>(prepare: (table: string) => T): (collection: Collection) => T {
  const prepared = new Map<Collection, T>()
  return (collection) => {
    const known = prepared.get(collection)
    if (known !== undefined) return known
    // The name becomes part of SQL, and may have come from another process.
    if (!COLLECTIONS.includes(collection)) throw new TypeError(`there is no collection ${collection}`)
    const fresh = prepare(`"${collection}"`)
    prepared.set(collection, fresh)
    return fresh
  }
}
