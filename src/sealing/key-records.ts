/** How the records of keys are named and written. They are no sealed ones: keys in them are wrapped. */
import { SealBroken } from './aead.ts'

export const keyOf = (name: string, generation: number) => `${name}/${String(generation).padStart(8, '0')}`

export function placeOf(key: string): { name: string; generation: number } {
  const slash = key.lastIndexOf('/')
  return { name: key.slice(0, slash), generation: Number(key.slice(slash + 1)) }
}

export const bytesOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value))

/** Anybody with the files could have written it, so what should be in it is looked for. */
export function parse<T extends object>(body: Uint8Array, ...members: readonly (keyof T)[]): T {
  let value: T
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as T
  } catch (cause) {
    throw new SealBroken('a key record is not in a known format: it was changed', { cause })
  }
  if (members.every((member) => ['string', 'number'].includes(typeof value?.[member]))) return value
  throw new SealBroken('a key record lacks something: it was changed')
}
