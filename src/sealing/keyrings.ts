/**
 * The keys between the root key and the records. A keyring is the succession of 256-bit keys of one vault (or of the
 * installation, or of backups); each key is stored wrapped by the root key, and the root key is stored wrapped by the
 * provider (file, passphrase, HSM), so that changing the provider's key rewrites one record and changing the root key
 * rewrites one record per keyring.
 *
 * A keyring's pointer record names the key that seals now. Every commit expects the pointer to be unchanged, so a
 * process that has not yet seen a rotation can't seal with a key that is about to be dropped. The root key has a pointer
 * of the same kind, and everything that wraps a key expects it to be unchanged: a key is never left behind under a root
 * key that another process drops.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Random } from '../ports/random.ts'
import { type RootKeyProvider, RootKeyRefused } from '../ports/root-key.ts'
import { type Change, type Store, StoreConflict, type StoredRecord } from '../ports/store.ts'
import { NONCE_BYTES, openBytes, SealBroken, sealBytes } from './aead.ts'
import { bytesOf, keyOf, parse, placeOf } from './key-records.ts'

export const KEY_BYTES = 32

export interface KeyringKey {
  readonly generation: number
  /** A UUID: the `kid` of backup blobs. */
  readonly keyId: string
  readonly key: KeyObject
}

export interface Keyring {
  readonly name: string
  readonly current: KeyringKey
  readonly pointerRevision: number
  /** Keys by generation, the current one included. */
  readonly keys: ReadonlyMap<number, KeyringKey>
}

interface StoredKey {
  readonly keyId: string
  readonly rootKeyId: string
  readonly wrapped: string
}

interface StoredRootKey {
  readonly providerKind: string
  readonly providerKeyId: string
  readonly wrapped: string
}

/** The root key that wraps now, and what a commit has to expect so that it still does. */
interface CurrentRootKey {
  readonly id: string
  readonly unchanged: Change
}

/** Two processes rotate or move the same keys. Nothing is lost; the message says what to do. */
export class RotationOverlap extends Error {
  override readonly name = 'RotationOverlap'
}

const CURRENT = 'current'
const INSTALLATION = 'installation'
const MAX_ATTEMPTS = 5
const KEYS_PER_READ = 200
const STORED_ROOT_KEY = ['providerKeyId', 'wrapped'] as const
const STORED_KEY = ['keyId', 'rootKeyId', 'wrapped'] as const

export class Keyrings {
  readonly installationId: string
  readonly #store: Store
  readonly #provider: RootKeyProvider
  readonly #random: Random
  readonly #rootKeys = new Map<string, KeyObject>()
  readonly #keyrings = new Map<string, Keyring>()

  private constructor(store: Store, provider: RootKeyProvider, random: Random, installationId: string) {
    this.#store = store
    this.#provider = provider
    this.#random = random
    this.installationId = installationId
  }

  /** Whether the keys of an installation are there; without them nothing in the store was ever sealed. */
  static async exist(store: Store): Promise<boolean> {
    return (await store.read('meta', INSTALLATION)) !== undefined
  }

  /**
   * Opens the keys of a data folder, making them on first use. Safe when several processes start at once. Throws
   * RootKeyRefused when the provider's key is not the one that sealed this data.
   */
  static async open(store: Store, provider: RootKeyProvider, random: Random): Promise<Keyrings> {
    for (let attempt = 0; ; attempt++) {
      const installation = await store.read('meta', INSTALLATION)
      if (installation !== undefined) {
        const { installationId } = parse<{ installationId: string }>(installation.body, 'installationId')
        const keyrings = new Keyrings(store, provider, random, installationId)
        await keyrings.#currentRootKey()
        return keyrings
      }
      const fresh = new Keyrings(store, provider, random, random.uuid())
      try {
        await store.commit([
          {
            collection: 'meta',
            key: INSTALLATION,
            expect: 'absent',
            body: bytesOf({ installationId: fresh.installationId }),
          },
          ...(await fresh.#newRootKey('absent')).changes,
        ])
      } catch (error) {
        if (!(error instanceof StoreConflict) || attempt >= MAX_ATTEMPTS) throw error
      }
    }
  }

  /** The keyring, from memory where possible. Throws when there is none of this name. */
  async get(name: string): Promise<Keyring> {
    return this.#keyrings.get(name) ?? (await this.reload(name))
  }

  /** What memory holds of a keyring: the synchronous half of `get`, for the hot path. */
  peek(name: string): Keyring | undefined {
    return this.#keyrings.get(name)
  }

  async reload(name: string): Promise<Keyring> {
    const keyring = await this.#load(name)
    if (keyring === undefined) throw new Error(`the keyring ${name} does not exist`)
    return keyring
  }

  /** The keyring, made now if it does not exist. Safe when several processes do it at once. */
  async ensure(name: string): Promise<Keyring> {
    for (let attempt = 1; ; attempt++) {
      const existing = this.#keyrings.get(name) ?? (await this.#load(name))
      if (existing !== undefined) return existing
      try {
        await this.#store.commit(await this.newKeyringChanges(name))
      } catch (error) {
        if (!(error instanceof StoreConflict) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /**
   * The changes that make a new keyring, to be committed together with whatever it belongs to. A conflict of the
   * collection `rootKeys` means that the root key was rotated meanwhile: ask for the changes again.
   */
  async newKeyringChanges(name: string): Promise<readonly Change[]> {
    return [
      { collection: 'vaultKeys', key: name, expect: 'absent', body: bytesOf({ generation: 1 }) },
      ...(await this.#newKeyChanges(name, 1)),
    ]
  }

  /** Adds a key that seals from now on; the older ones still open what they sealed. Answers the new generation. */
  async addGeneration(name: string): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const keyring = await this.reload(name)
      const generation = Math.max(...keyring.keys.keys()) + 1
      try {
        await this.#store.commit([
          { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: bytesOf({ generation }) },
          ...(await this.#newKeyChanges(name, generation)),
        ])
        await this.reload(name)
        return generation
      } catch (error) {
        if (!(error instanceof StoreConflict) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /**
   * Forgets the keys before this generation for good. Only safe once no record is sealed by them any more; no process
   * can seal with them in between, because every commit expects the pointer that named this generation. Throws
   * RotationOverlap when it is not the current one any more: records may have been sealed by others since.
   */
  async dropOldGenerations(name: string, generation: number): Promise<number> {
    const keyring = await this.reload(name)
    if (keyring.current.generation !== generation) throw overlappingRotation(name)
    const old = [...keyring.keys.keys()].filter((other) => other !== generation)
    try {
      await this.#store.commit([
        { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: 'keep' },
        ...old.map(
          (other): Change => ({ collection: 'vaultKeys', key: keyOf(name, other), expect: 'any', body: null }),
        ),
      ])
    } catch (error) {
      throw error instanceof StoreConflict ? overlappingRotation(name, error) : error
    }
    await this.reload(name)
    return old.length
  }

  /** The changes that destroy a keyring: what it sealed can never be opened again. */
  async destroyChanges(name: string): Promise<readonly Change[]> {
    const keyring = await this.reload(name)
    return [
      { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: null },
      ...[...keyring.keys.keys()].map(
        (generation): Change => ({
          collection: 'vaultKeys',
          key: keyOf(name, generation),
          expect: 'any',
          body: null,
        }),
      ),
    ]
  }

  forget(name: string): void {
    this.#keyrings.delete(name)
  }

  /** Names of all keyrings, in pages. */
  async *names(): AsyncGenerator<string> {
    let after: string | undefined
    for (;;) {
      const page = await this.#store.page('vaultKeys', {
        prefix: '',
        limit: 500,
        ...(after === undefined ? {} : { after }),
      })
      for (const record of page) if (!record.key.includes('/')) yield record.key
      const last = page.at(-1)
      if (last === undefined) return
      after = last.key
    }
  }

  /**
   * Makes a new root key and wraps every keyring's keys with it, while the server runs. Repeat it after an interruption;
   * old root keys are dropped only when nothing is wrapped by them. Throws RotationOverlap when another process does the
   * same, and RootKeyRefused when the root key was moved to another provider since this process opened it.
   */
  async rotateRootKey(progress: (done: number) => void): Promise<void> {
    const before = await this.#pointer()
    await this.#requireOwnProvider(before.rootKeyId)
    const fresh = await this.#newRootKey(before.revision)
    try {
      await this.#store.commit(fresh.changes)
      const current = await this.#currentRootKey()
      if (current.id !== fresh.id) throw overlappingRootRotation()
      let done = 0
      // Only a pass that finds nothing left shows that nothing is.
      for (let found = 1; found > 0; ) {
        found = 0
        for await (const record of this.#keyRecords()) {
          if (parse<StoredKey>(record.body, ...STORED_KEY).rootKeyId === fresh.id) continue
          found++
          if (await this.#rewrap(record, current)) progress(++done)
        }
      }
      for (const record of await this.#store.page('rootKeys', { prefix: '', limit: 1000 })) {
        if (record.key === CURRENT || record.key === fresh.id) continue
        await this.#store.commit([
          { collection: 'rootKeys', key: record.key, expect: record.revision, body: null },
          current.unchanged,
        ])
        this.#rootKeys.delete(record.key)
      }
    } catch (error) {
      const isOverlap =
        error instanceof KeyMissing || (error instanceof StoreConflict && error.collection === 'rootKeys')
      throw isOverlap ? overlappingRootRotation(error) : error
    }
  }

  /**
   * Wraps the root keys by another provider, for a changed passphrase or a move into an HSM. The pointer is written too,
   * so that a rotation under way elsewhere can't add a root key that only the old provider opens.
   */
  async changeProvider(next: RootKeyProvider): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const pointer = await this.#pointer()
      const changes: Change[] = [
        {
          collection: 'rootKeys',
          key: CURRENT,
          expect: pointer.revision,
          body: bytesOf({ rootKeyId: pointer.rootKeyId }),
        },
      ]
      for (const record of await this.#store.page('rootKeys', { prefix: '', limit: 1000 })) {
        if (record.key === CURRENT) continue
        const rootKey = await this.#rootKey(record.key)
        const body = await this.#wrappedRootKey(next, record.key, rootKey.export())
        changes.push({ collection: 'rootKeys', key: record.key, expect: record.revision, body })
      }
      try {
        await this.#store.commit(changes)
        return
      } catch (error) {
        if (!(error instanceof StoreConflict) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /** Opens a root key as it is stored now; throws when it does not open. For `doctor`. */
  async checkRootKey(rootKeyId: string): Promise<void> {
    if (rootKeyId === CURRENT) {
      await this.#pointer()
      return
    }
    const bytes = await this.#unwrapRootKey(rootKeyId)
    bytes.fill(0)
  }

  /** The stored keys of all keyrings, without the pointers. */
  async *#keyRecords(): AsyncGenerator<StoredRecord> {
    let after: string | undefined
    for (;;) {
      const page = await this.#store.page('vaultKeys', {
        prefix: '',
        limit: KEYS_PER_READ,
        ...(after === undefined ? {} : { after }),
      })
      for (const record of page) if (record.key.includes('/')) yield record
      after = page.at(-1)?.key
      if (after === undefined) return
    }
  }

  async #rewrap(record: StoredRecord, rootKey: CurrentRootKey): Promise<boolean> {
    const stored = parse<StoredKey>(record.body, ...STORED_KEY)
    const { name, generation } = placeOf(record.key)
    const opened = await this.#openKey(name, generation, stored)
    const body = await this.#wrappedKey(name, generation, stored.keyId, rootKey.id, opened.key.export())
    try {
      await this.#store.commit([
        { collection: 'vaultKeys', key: record.key, expect: record.revision, body },
        rootKey.unchanged,
      ])
      return true
    } catch (error) {
      // The key was destroyed meanwhile; the next pass shows.
      if (error instanceof StoreConflict && error.collection === 'vaultKeys') return false
      throw error
    }
  }

  #load(name: string): Promise<Keyring | undefined> {
    return readingAgain(() => this.#loadOnce(name))
  }

  async #loadOnce(name: string): Promise<Keyring | undefined> {
    const pointer = await this.#store.read('vaultKeys', name)
    if (pointer === undefined) {
      this.#keyrings.delete(name)
      return undefined
    }
    const { generation } = parse<{ generation: number }>(pointer.body, 'generation')
    const keys = new Map<number, KeyringKey>()
    for (const record of await this.#store.page('vaultKeys', { prefix: `${name}/`, limit: 10_000 })) {
      const place = placeOf(record.key)
      keys.set(
        place.generation,
        await this.#openKey(name, place.generation, parse<StoredKey>(record.body, ...STORED_KEY)),
      )
    }
    const current = keys.get(generation)
    if (current === undefined) throw new KeyMissing(`the keyring ${name} lacks the key of its generation ${generation}`)
    const keyring: Keyring = { name, current, pointerRevision: pointer.revision, keys }
    this.#keyrings.set(name, keyring)
    return keyring
  }

  async #newKeyChanges(name: string, generation: number): Promise<readonly Change[]> {
    const rootKey = await this.#currentRootKey()
    const key = this.#random.bytes(KEY_BYTES)
    const body = await this.#wrappedKey(name, generation, this.#random.uuid(), rootKey.id, key)
    key.fill(0)
    return [{ collection: 'vaultKeys', key: keyOf(name, generation), expect: 'absent', body }, rootKey.unchanged]
  }

  async #wrappedKey(
    name: string,
    generation: number,
    keyId: string,
    rootKeyId: string,
    key: Uint8Array,
  ): Promise<Uint8Array> {
    const rootKey = await this.#rootKey(rootKeyId)
    const associated = this.#associated('vault-key', name, String(generation), keyId, rootKeyId)
    const wrapped = sealBytes(rootKey, this.#random.bytes(NONCE_BYTES), associated, key)
    return bytesOf({ keyId, rootKeyId, wrapped: wrapped.toString('base64') } satisfies StoredKey)
  }

  async #openKey(name: string, generation: number, stored: StoredKey): Promise<KeyringKey> {
    const rootKey = await this.#rootKey(stored.rootKeyId)
    const associated = this.#associated('vault-key', name, String(generation), stored.keyId, stored.rootKeyId)
    const bytes = openBytes(rootKey, associated, Buffer.from(stored.wrapped, 'base64'))
    const key = createSecretKey(bytes)
    bytes.fill(0)
    return { generation, keyId: stored.keyId, key }
  }

  async #pointer(): Promise<{ readonly rootKeyId: string; readonly revision: number }> {
    const pointer = await this.#store.read('rootKeys', CURRENT)
    if (pointer === undefined) throw new SealBroken('the data folder has no root key')
    return { rootKeyId: parse<{ rootKeyId: string }>(pointer.body, 'rootKeyId').rootKeyId, revision: pointer.revision }
  }

  #currentRootKey(): Promise<CurrentRootKey> {
    return readingAgain(async () => {
      const { rootKeyId, revision } = await this.#pointer()
      await this.#rootKey(rootKeyId)
      return { id: rootKeyId, unchanged: { collection: 'rootKeys', key: CURRENT, expect: revision, body: 'keep' } }
    })
  }

  /** A root key that this provider wrapped could not be opened by whoever has only the newer one. */
  async #requireOwnProvider(rootKeyId: string): Promise<void> {
    const record = await this.#store.read('rootKeys', rootKeyId)
    if (record === undefined) throw overlappingRootRotation()
    const { providerKeyId } = parse<StoredRootKey>(record.body, ...STORED_ROOT_KEY)
    if (providerKeyId === this.#provider.keyId) return
    throw new RootKeyRefused(
      `the root key is not protected by this ${this.#provider.kind} any more: open the data with the new one`,
    )
  }

  async #rootKey(rootKeyId: string): Promise<KeyObject> {
    const known = this.#rootKeys.get(rootKeyId)
    if (known !== undefined) return known
    const bytes = await this.#unwrapRootKey(rootKeyId)
    const key = createSecretKey(bytes)
    bytes.fill(0)
    this.#rootKeys.set(rootKeyId, key)
    return key
  }

  async #unwrapRootKey(rootKeyId: string): Promise<Uint8Array> {
    const record = await this.#store.read('rootKeys', rootKeyId)
    if (record === undefined) throw new KeyMissing(`the root key ${rootKeyId} is missing from the data folder`)
    const stored = parse<StoredRootKey>(record.body, ...STORED_ROOT_KEY)
    return this.#provider.unwrap(Buffer.from(stored.wrapped, 'base64'), this.#rootContext(rootKeyId))
  }

  async #newRootKey(pointer: number | 'absent'): Promise<{ id: string; changes: readonly Change[] }> {
    const id = this.#random.uuid()
    const bytes = this.#random.bytes(KEY_BYTES)
    const body = await this.#wrappedRootKey(this.#provider, id, bytes)
    this.#rootKeys.set(id, createSecretKey(bytes))
    bytes.fill(0)
    return {
      id,
      changes: [
        { collection: 'rootKeys', key: id, expect: 'absent', body },
        { collection: 'rootKeys', key: CURRENT, expect: pointer, body: bytesOf({ rootKeyId: id }) },
      ],
    }
  }

  async #wrappedRootKey(provider: RootKeyProvider, id: string, bytes: Uint8Array): Promise<Uint8Array> {
    const wrapped = await provider.wrap(bytes, this.#rootContext(id))
    return bytesOf({
      providerKind: provider.kind,
      providerKeyId: provider.keyId,
      wrapped: Buffer.from(wrapped).toString('base64'),
    } satisfies StoredRootKey)
  }

  #rootContext(rootKeyId: string): string {
    return `keyhaven root key ${this.installationId} ${rootKeyId}`
  }

  #associated(...parts: readonly string[]): Buffer {
    return Buffer.from([this.installationId, ...parts].join('\0'))
  }
}

/** A key that another record names is not there: it was taken away, or a rotation ended between two reads. */
class KeyMissing extends SealBroken {}

/** Reads that belong together are not of one moment, so what a rotation pulled away between them is read again. */
async function readingAgain<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof KeyMissing) || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

const overlappingRotation = (name: string, cause?: unknown) =>
  new RotationOverlap(
    `another process rotates the key of ${name} too: run it again when that one has ended, the older keys stay until then`,
    { cause },
  )

const overlappingRootRotation = (cause?: unknown) =>
  new RotationOverlap('another process changes the root key too: run it again when that one has ended', { cause })
