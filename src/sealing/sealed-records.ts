import type { KeyObject } from 'node:crypto'
import type { Random } from '../ports/random.ts'
import {
  type Change,
  type Collection,
  type PageRequest,
  type Store,
  StoreConflict,
  type StoredRecord,
} from '../ports/store.ts'
import { NONCE_BYTES, openBytes, SealBroken, sealBytes, TAG_BYTES } from './aead.ts'
import type { Keyring, Keyrings } from './keyrings.ts'
import { INSTALLATION_KEYRING, type SealedChange, type SealedRecord, type SealedRecords } from './sealed-store.ts'
import { SecretBytes } from './secret-bytes.ts'

/**
 * Format of a sealed record: version, key generation, length of the sealed meta data, sealed meta, sealed value. The
 * header is not sealed; whatever is changed in it, the meta data does not open. What is sealed as the value begins with a
 * copy of the meta data, so that an operation that answers both opens once.
 */
const FORMAT = 1
const META_LENGTH_BYTES = 4
const HEADER_BYTES = 9
const MAX_REKEY_ATTEMPTS = 5

/** Collections that request handling keeps in memory; a commit to one of them tells every process to read anew. */
const DIRECTORY: ReadonlySet<Collection> = new Set<Collection>([
  'vaults',
  'vaultNames',
  'roleAssignments',
  'roleDefinitions',
  'tenants',
  'subscriptions',
  'applications',
  'users',
  'groups',
  'managedIdentities',
  'signingKeys',
  'serverCertificates',
])

/** The record whose revision tells whether the directory changed. */
export const DIRECTORY_MARK = 'directory'

interface SealedRecordsOptions {
  readonly store: Store
  readonly keyrings: Keyrings
  readonly random: Random
  readonly keyring: string
}

export function sealedRecords({ store, keyrings, random, keyring: name }: SealedRecordsOptions): SealedRecords {
  const associatedPrefix = `${keyrings.installationId}\0${name}\0`

  /** Meta data knows whether it has a value beside it, so a record can't be cut off behind it. */
  const associated = (collection: Collection, key: string, part: 'meta' | 'metaOfValue' | 'value') =>
    Buffer.from(`${associatedPrefix}${collection}\0${key}\0${part}`)

  function seal(keyring: Keyring, collection: Collection, key: string, meta: object, value: SecretBytes | undefined) {
    const current = keyring.current
    const plainMeta = Buffer.from(JSON.stringify(meta))
    const metaPlace = associated(collection, key, value === undefined ? 'meta' : 'metaOfValue')
    const sealedMeta = sealBytes(current.key, random.bytes(NONCE_BYTES), metaPlace, plainMeta)
    const header = Buffer.allocUnsafe(HEADER_BYTES)
    header.writeUInt8(FORMAT, 0)
    header.writeUInt32BE(current.generation, 1)
    header.writeUInt32BE(sealedMeta.byteLength, 5)
    if (value === undefined) return Buffer.concat([header, sealedMeta])
    const boundTo = placeOfValue(collection, key, sealedMeta)
    const metaLength = Buffer.allocUnsafe(META_LENGTH_BYTES)
    metaLength.writeUInt32BE(plainMeta.byteLength)
    const whole = Buffer.concat([metaLength, plainMeta, value.reveal()])
    const sealedValue = sealBytes(current.key, random.bytes(NONCE_BYTES), boundTo, whole)
    whole.fill(0)
    return Buffer.concat([header, sealedMeta, sealedValue])
  }

  /** The value is bound to the very meta data it was stored with, so parts of two writes can't be combined. */
  const placeOfValue = (collection: Collection, key: string, sealedMeta: Buffer) =>
    Buffer.concat([associated(collection, key, 'value'), sealedMeta.subarray(sealedMeta.byteLength - TAG_BYTES)])

  /** Finds the parts of a record and the key that opens them; opens nothing yet. */
  function take(keyring: Keyring, collection: Collection, record: StoredRecord) {
    const body = record.body
    const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    if (view.byteLength < HEADER_BYTES || view.readUInt8(0) !== FORMAT) {
      throw new SealBroken(`the record ${collection} ${record.key} is not in a known format`)
    }
    const key = keyring.keys.get(view.readUInt32BE(1))?.key
    if (key === undefined) throw new UnknownGeneration()
    const metaEnd = HEADER_BYTES + view.readUInt32BE(5)
    if (metaEnd > view.byteLength) throw new SealBroken(`the record ${collection} ${record.key} is cut off`)
    const sealedMeta = view.subarray(HEADER_BYTES, metaEnd)
    const sealedValue = view.byteLength > metaEnd ? view.subarray(metaEnd) : undefined
    return { key, sealedMeta, sealedValue }
  }

  /** Opens meta data and value at once. */
  function openWhole<M>(key: KeyObject, place: Buffer, sealedValue: Buffer): { meta: M; value: SecretBytes } {
    const whole = openBytes(key, place, sealedValue)
    const metaEnd = META_LENGTH_BYTES + whole.readUInt32BE(0)
    const meta = parseMeta<M>(whole.toString('utf8', META_LENGTH_BYTES, metaEnd))
    return { meta, value: new SecretBytes(whole.subarray(metaEnd)) }
  }

  function open<M>(keyring: Keyring, collection: Collection, record: StoredRecord): SealedRecord<M> {
    const { key, sealedMeta, sealedValue } = take(keyring, collection, record)
    const metaPlace = associated(collection, record.key, sealedValue === undefined ? 'meta' : 'metaOfValue')
    const plain = openBytes(key, metaPlace, sealedMeta)
    return {
      key: record.key,
      revision: record.revision,
      meta: parseMeta<M>(plain.toString('utf8')),
      hasValue: sealedValue !== undefined,
      openValue() {
        if (sealedValue === undefined) throw new Error(`the record ${collection} ${record.key} has no value`)
        return openWhole<M>(key, placeOfValue(collection, record.key, sealedMeta), sealedValue).value
      },
    }
  }

  function openWithValue<M>(keyring: Keyring, collection: Collection, record: StoredRecord): SealedRecord<M> {
    const { key, sealedMeta, sealedValue } = take(keyring, collection, record)
    if (sealedValue === undefined) return open<M>(keyring, collection, record)
    const { meta, value } = openWhole<M>(key, placeOfValue(collection, record.key, sealedMeta), sealedValue)
    return { key: record.key, revision: record.revision, meta, hasValue: true, openValue: () => value }
  }

  /**
   * Reads and opens. A record sealed by a key that this process does not know was sealed during a rotation: both are read
   * again. The record comes first, because its key outlives it.
   */
  async function readOpened<R, T>(load: () => Promise<R>, use: (loaded: R, keyring: Keyring) => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const loaded = await load()
      const keyring = attempt === 1 ? (keyrings.peek(name) ?? (await keyrings.get(name))) : await keyrings.reload(name)
      try {
        return use(loaded, keyring)
      } catch (error) {
        if (!(error instanceof UnknownGeneration)) throw error
        if (attempt === MAX_REKEY_ATTEMPTS) throw new SealBroken('a record is sealed by a key that is gone')
      }
    }
  }

  return {
    keyring: name,
    async read<M>(collection: Collection, key: string) {
      return readOpened(
        () => store.read(collection, key),
        (record, keyring) => (record === undefined ? undefined : open<M>(keyring, collection, record)),
      )
    },
    async readWithValue<M>(collection: Collection, key: string) {
      return readOpened(
        () => store.read(collection, key),
        (record, keyring) => (record === undefined ? undefined : openWithValue<M>(keyring, collection, record)),
      )
    },
    async page<M>(collection: Collection, request: PageRequest) {
      return readOpened(
        () => store.page(collection, request),
        (records, keyring) => records.map((record) => open<M>(keyring, collection, record)),
      )
    },
    async commit(changes: readonly SealedChange[], unsealed: readonly Change[] = []) {
      for (let attempt = 1; ; attempt++) {
        const keyring = keyrings.peek(name) ?? (await keyrings.get(name))
        try {
          await store.commit([
            { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: 'keep' },
            ...changes.map(
              ({ collection, key, expect, meta, value }): Change => ({
                collection,
                key,
                expect,
                body: meta === null || meta === 'keep' ? meta : seal(keyring, collection, key, meta, value),
              }),
            ),
            ...unsealed,
            ...(name === INSTALLATION_KEYRING && changes.some(({ collection }) => DIRECTORY.has(collection))
              ? [{ collection: 'meta', key: DIRECTORY_MARK, expect: 'any', body: new Uint8Array(0) } satisfies Change]
              : []),
          ])
          return
        } catch (error) {
          const isRotated = error instanceof StoreConflict && error.collection === 'vaultKeys' && error.key === name
          if (!isRotated || attempt === MAX_REKEY_ATTEMPTS) throw error
          await keyrings.reload(name)
        }
      }
    },
  }
}

class UnknownGeneration extends Error {}

function parseMeta<M>(text: string): M {
  try {
    return JSON.parse(text) as M
  } catch {
    // The parser's message quotes the text, which may be a secret here: it is not kept.
    throw new SealBroken('a record was sealed in another format')
  }
}

/** The key generation a stored record is sealed by; for rotation and `doctor`. */
export function generationOf(record: StoredRecord): number {
  return Buffer.from(record.body.buffer, record.body.byteOffset, record.body.byteLength).readUInt32BE(1)
}
