/**
 * The keys between the root key and the records. A keyring is the succession of 256-bit keys of one vault (or of the
 * installation, or of backups); each key is stored wrapped by the root key, and the root key is stored wrapped by the
 * provider (file, passphrase, HSM), so that changing the provider's key rewrites one record and changing the root key
 * rewrites one record per keyring.
 *
 * A keyring's pointer record names the key that seals now. Every commit expects the pointer to be unchanged, so a
 * process that has not yet seen a rotation can't seal with a key that is about to be dropped.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Random } from '../ports/random.ts'
import type { RootKeyProvider } from '../ports/root-key.ts'
import { type Change, type Store, StoreConflict, type StoredRecord } from '../ports/store.ts'
import { NONCE_BYTES, openBytes, SealBroken, sealBytes } from './aead.ts'

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

const CURRENT = 'current'
const INSTALLATION = 'installation'

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

  /**
   * Opens the keys of a data folder, making them on first use. Safe when several processes start at once. Throws
   * RootKeyRefused when the provider's key is not the one that sealed this data.
   */
  static async open(store: Store, provider: RootKeyProvider, random: Random): Promise<Keyrings> {
    for (let attempt = 0; ; attempt++) {
      const installation = await store.read('meta', INSTALLATION)
      if (installation !== undefined) {
        const { installationId } = parse<{ installationId: string }>(installation.body)
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
        if (!(error instanceof StoreConflict) || attempt > 3) throw error
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
    const existing = this.#keyrings.get(name) ?? (await this.#load(name))
    if (existing !== undefined) return existing
    try {
      await this.#store.commit(await this.newKeyringChanges(name))
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
    return this.reload(name)
  }

  /** The changes that make a new keyring, to be committed together with whatever it belongs to. */
  async newKeyringChanges(name: string): Promise<readonly Change[]> {
    return [
      { collection: 'vaultKeys', key: name, expect: 'absent', body: bytesOf({ generation: 1 }) },
      await this.#newKeyChange(name, 1),
    ]
  }

  /** Adds a key that seals from now on; the older ones still open what they sealed. Answers the new generation. */
  async addGeneration(name: string): Promise<number> {
    const keyring = await this.reload(name)
    const generation = Math.max(...keyring.keys.keys()) + 1
    await this.#store.commit([
      { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: bytesOf({ generation }) },
      await this.#newKeyChange(name, generation),
    ])
    await this.reload(name)
    return generation
  }

  /**
   * Forgets the keys before the current one for good. Only safe once no record is sealed by them any more; no process
   * can seal with them in between, because every commit expects the pointer this one rewrites.
   */
  async dropOldGenerations(name: string): Promise<number> {
    const keyring = await this.reload(name)
    const old = [...keyring.keys.keys()].filter((generation) => generation !== keyring.current.generation)
    await this.#store.commit([
      { collection: 'vaultKeys', key: name, expect: keyring.pointerRevision, body: 'keep' },
      ...old.map(
        (generation): Change => ({
          collection: 'vaultKeys',
          key: keyOf(name, generation),
          expect: 'any',
          body: null,
        }),
      ),
    ])
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
   * old root keys are dropped only when nothing is wrapped by them.
   */
  async rotateRootKey(progress: (done: number) => void): Promise<void> {
    const current = await this.#store.read('rootKeys', CURRENT)
    const fresh = await this.#newRootKey(current?.revision ?? 'absent')
    await this.#store.commit(fresh.changes)
    let done = 0
    for (let pass = 0; pass < 2; pass++) {
      let after: string | undefined
      for (;;) {
        const page = await this.#store.page('vaultKeys', {
          prefix: '',
          limit: 200,
          ...(after === undefined ? {} : { after }),
        })
        for (const record of page) if (await this.#rewrap(record, fresh.id)) progress(++done)
        const last = page.at(-1)
        if (last === undefined) break
        after = last.key
      }
    }
    for (const record of await this.#store.page('rootKeys', { prefix: '', limit: 1000 })) {
      if (record.key === CURRENT || record.key === fresh.id) continue
      await this.#store.commit([{ collection: 'rootKeys', key: record.key, expect: record.revision, body: null }])
      this.#rootKeys.delete(record.key)
    }
  }

  /** Wraps the root keys by another provider, for a changed passphrase or a move into an HSM. */
  async changeProvider(next: RootKeyProvider): Promise<void> {
    const changes: Change[] = []
    for (const record of await this.#store.page('rootKeys', { prefix: '', limit: 1000 })) {
      if (record.key === CURRENT) continue
      const rootKey = await this.#rootKey(record.key)
      changes.push({
        collection: 'rootKeys',
        key: record.key,
        expect: record.revision,
        body: await this.#wrappedRootKey(next, record.key, rootKey.export()),
      })
    }
    await this.#store.commit(changes)
  }

  async #rewrap(record: StoredRecord, rootKeyId: string): Promise<boolean> {
    if (!record.key.includes('/')) return false
    const stored = parse<StoredKey>(record.body)
    if (stored.rootKeyId === rootKeyId) return false
    const { name, generation } = placeOf(record.key)
    const opened = await this.#openKey(name, generation, stored)
    try {
      await this.#store.commit([
        {
          collection: 'vaultKeys',
          key: record.key,
          expect: record.revision,
          body: await this.#wrappedKey(name, generation, stored.keyId, rootKeyId, opened.key.export()),
        },
      ])
      return true
    } catch (error) {
      if (error instanceof StoreConflict) return false
      throw error
    }
  }

  async #load(name: string): Promise<Keyring | undefined> {
    const pointer = await this.#store.read('vaultKeys', name)
    if (pointer === undefined) {
      this.#keyrings.delete(name)
      return undefined
    }
    const { generation } = parse<{ generation: number }>(pointer.body)
    const keys = new Map<number, KeyringKey>()
    for (const record of await this.#store.page('vaultKeys', { prefix: `${name}/`, limit: 10_000 })) {
      const place = placeOf(record.key)
      keys.set(place.generation, await this.#openKey(name, place.generation, parse<StoredKey>(record.body)))
    }
    const current = keys.get(generation)
    if (current === undefined) throw new SealBroken(`the keyring ${name} lacks the key of its generation ${generation}`)
    const keyring: Keyring = { name, current, pointerRevision: pointer.revision, keys }
    this.#keyrings.set(name, keyring)
    return keyring
  }

  async #newKeyChange(name: string, generation: number): Promise<Change> {
    const rootKeyId = await this.#currentRootKey()
    const key = this.#random.bytes(KEY_BYTES)
    const body = await this.#wrappedKey(name, generation, this.#random.uuid(), rootKeyId, key)
    key.fill(0)
    return { collection: 'vaultKeys', key: keyOf(name, generation), expect: 'absent', body }
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

  async #currentRootKey(): Promise<string> {
    const pointer = await this.#store.read('rootKeys', CURRENT)
    if (pointer === undefined) return [...this.#rootKeys.keys()].at(-1) ?? fail('the data folder has no root key')
    const { rootKeyId } = parse<{ rootKeyId: string }>(pointer.body)
    await this.#rootKey(rootKeyId)
    return rootKeyId
  }

  async #rootKey(rootKeyId: string): Promise<KeyObject> {
    const known = this.#rootKeys.get(rootKeyId)
    if (known !== undefined) return known
    const record = await this.#store.read('rootKeys', rootKeyId)
    if (record === undefined) throw new SealBroken(`the root key ${rootKeyId} is missing from the data folder`)
    const stored = parse<StoredRootKey>(record.body)
    const bytes = await this.#provider.unwrap(Buffer.from(stored.wrapped, 'base64'), this.#rootContext(rootKeyId))
    const key = createSecretKey(bytes)
    bytes.fill(0)
    this.#rootKeys.set(rootKeyId, key)
    return key
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

const keyOf = (name: string, generation: number) => `${name}/${String(generation).padStart(8, '0')}`

function placeOf(key: string): { name: string; generation: number } {
  const slash = key.lastIndexOf('/')
  return { name: key.slice(0, slash), generation: Number(key.slice(slash + 1)) }
}

const bytesOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value))

function parse<T>(body: Uint8Array): T {
  return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as T
}

function fail(sentence: string): never {
  throw new Error(sentence)
}
