/**
 * What every engine has to agree on about keys: their order, and what a commit may hold. Keys compare by their UTF-8
 * bytes, which is the order of their code points.
 */
import { type Change, COLLECTIONS, MAX_KEY_BYTES, type PageRequest } from '../../ports/store.ts'

const collections: ReadonlySet<string> = new Set(COLLECTIONS)

/** Negative when `a` comes first, positive when `b` does, 0 when they are the same. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index)
    const unitB = b.charCodeAt(index)
    if (unitA !== unitB) return rankOf(unitA) - rankOf(unitB)
  }
  return a.length - b.length
}

/** UTF-16 puts the halves of characters beyond U+FFFF before U+E000 to U+FFFF; their code points come after them. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** The least key a page may hold. Throws for a limit that is no positive integer. */
export function firstKeyOf({ prefix, after, from, limit }: PageRequest): string {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`the page limit ${limit} is no positive integer`)
  // The very next key after another one is that key and a NUL.
  const bounds = [from, after === undefined ? undefined : `${after}\0`]
  return bounds.reduce<string>(
    (first, bound) => (bound === undefined || compareKeys(bound, first) <= 0 ? first : bound),
    prefix,
  )
}

/** Throws for changes that no engine could store as they are: a fault of the program, not of the data. */
export function checkChanges(changes: readonly Change[]): void {
  for (const { collection, key, body } of changes) {
    if (!collections.has(collection)) throw new TypeError(`there is no collection ${collection}`)
    if (!key.isWellFormed()) throw new TypeError(`a key of ${collection} is not well-formed Unicode`)
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw new RangeError(`a key of ${collection} has more than ${MAX_KEY_BYTES} bytes`)
    }
    if (body !== null && body !== 'keep' && !(body instanceof Uint8Array)) {
      throw new TypeError(`the body of a record in ${collection} is not bytes`)
    }
  }
}
