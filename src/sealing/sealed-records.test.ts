import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Collection } from '../ports/store.ts'
import { SealBroken } from './aead.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from './sealed-store.ts'
import { openProcess, type Process, plant, storedBody } from './sealing-fixture.ts'
import { SecretBytes } from './secret-bytes.ts'

const VAULTS = ['vault-a', 'vault-b']
const META_BYTES_AT = 9
const TAG_BYTES = 16

interface Place {
  readonly keyring: string
  readonly collection: Collection
  readonly key: string
}

/** Every kind of place a vault has, with names and versions that differ in little, and some of the installation's. */
const places: readonly Place[] = [
  ...VAULTS.flatMap((keyring): Place[] => [
    { keyring, collection: 'secrets', key: `${keyring}/name` },
    { keyring, collection: 'secrets', key: `${keyring}/name2` },
    { keyring, collection: 'secretVersions', key: `${keyring}/name/${'1'.repeat(32)}` },
    { keyring, collection: 'secretVersions', key: `${keyring}/name/${'2'.repeat(32)}` },
    { keyring, collection: 'deletedSecrets', key: `${keyring}/name` },
    { keyring, collection: 'scheduledPurges', key: `000000000001/${keyring}/secret/name` },
  ]),
  { keyring: INSTALLATION_KEYRING, collection: 'vaults', key: 'vault-a' },
  { keyring: INSTALLATION_KEYRING, collection: 'vaultNames', key: 'vault-a' },
  { keyring: INSTALLATION_KEYRING, collection: 'signingKeys', key: 'vault-a' },
]

const valueAt = ({ collection, key }: Place) => `value of ${collection} ${key}`
const hasValue = ({ collection }: Place) => collection !== 'scheduledPurges' && collection !== 'vaultNames'

async function write(records: SealedRecords, place: Place, value: string): Promise<void> {
  const { collection, key } = place
  await records.commit([
    {
      collection,
      key,
      expect: 'any',
      meta: { note: `about ${key}` },
      ...(hasValue(place) ? { value: SecretBytes.fromText(value) } : {}),
    },
  ])
}

async function filled(): Promise<Process> {
  const process = await openProcess()
  for (const vault of VAULTS) await process.keyrings.ensure(vault)
  for (const place of places) await write(process.recordsOf(place.keyring), place, valueAt(place))
  return process
}

/** Opens meta data and value. */
async function openWhole(process: Process, { keyring, collection, key }: Place): Promise<string | undefined> {
  const record = await process.recordsOf(keyring).read(collection, key)
  return record?.hasValue === true ? record.openValue().revealText() : undefined
}

async function assertBroken(process: Process, place: Place, what: string): Promise<void> {
  const isBroken = (error: unknown) => {
    assert.ok(error instanceof SealBroken, `${what}: ${String(error)}`)
    assert.doesNotMatch(error.message, /value of|about/)
    return true
  }
  await assert.rejects(() => openWhole(process, place), isBroken, what)
}

const secret: Place = { keyring: 'vault-a', collection: 'secrets', key: 'vault-a/name' }

describe('a sealed record', () => {
  test('opens where it was written, as it was written', async () => {
    const process = await filled()
    for (const place of places) {
      assert.equal(await openWhole(process, place), hasValue(place) ? valueAt(place) : undefined)
      const both = await process.recordsOf(place.keyring).readWithValue(place.collection, place.key)
      assert.deepEqual(both?.meta, { note: `about ${place.key}` })
      if (hasValue(place)) assert.equal(both?.openValue().revealText(), valueAt(place))
    }
  })

  test('shows nothing of its value or meta data to the store', async () => {
    const { store } = await filled()
    for (const { collection, key } of places) {
      const text = Buffer.from(await storedBody(store, collection, key)).toString('latin1')
      assert.doesNotMatch(text, /value of|about|note/)
    }
  })

  test('does not open in any other place, whichever two are swapped', async () => {
    const process = await filled()
    const { store } = process
    const bodies = new Map<Place, Uint8Array>()
    for (const place of places) bodies.set(place, await storedBody(store, place.collection, place.key))
    for (const target of places) {
      for (const [source, body] of bodies) {
        if (source === target) continue
        await plant(store, target.collection, target.key, body)
        await assertBroken(process, target, `${source.collection} ${source.key} at ${target.collection} ${target.key}`)
        const both = () => process.recordsOf(target.keyring).readWithValue(target.collection, target.key)
        await assert.rejects(both, SealBroken)
      }
      await plant(store, target.collection, target.key, bodies.get(target) ?? assert.fail())
      assert.equal(await openWhole(process, target), hasValue(target) ? valueAt(target) : undefined)
    }
  })

  test('does not open in another place when it is an older one that was overwritten since', async () => {
    const process = await filled()
    const { store } = process
    const older = await storedBody(store, secret.collection, secret.key)
    await write(process.recordsOf('vault-a'), secret, 'the newer value')
    for (const target of places) {
      if (target === places[0]) continue
      await plant(store, target.collection, target.key, older)
      await assertBroken(process, target, `the older record at ${target.collection} ${target.key}`)
    }
  })

  for (const place of [
    secret,
    { keyring: 'vault-a', collection: 'scheduledPurges', key: 'x/vault-a/secret/n' },
  ] as const) {
    const kind = hasValue(place) ? 'with a value' : 'without a value'

    test(`${kind} does not open when any one of its bits is flipped`, async () => {
      const process = await filled()
      await write(process.recordsOf('vault-a'), place, 'a value')
      const sealed = await storedBody(process.store, place.collection, place.key)
      for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
        const changed = Uint8Array.from(sealed)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await plant(process.store, place.collection, place.key, changed)
        await assertBroken(process, place, `bit ${bit}`)
      }
    })

    test(`${kind} does not open when it is cut off anywhere or longer than it was`, async () => {
      const process = await filled()
      await write(process.recordsOf('vault-a'), place, 'a value')
      const sealed = await storedBody(process.store, place.collection, place.key)
      for (let length = 0; length < sealed.byteLength; length++) {
        await plant(process.store, place.collection, place.key, sealed.subarray(0, length))
        await assertBroken(process, place, `cut to ${length} of ${sealed.byteLength} bytes`)
      }
      for (const added of [1, 28, 64]) {
        await plant(process.store, place.collection, place.key, Buffer.concat([sealed, Buffer.alloc(added)]))
        await assertBroken(process, place, `${added} bytes longer`)
      }
    })
  }

  test('answers what was written, or nothing, when it is opened at once and a bit of any of its bytes is flipped', async () => {
    const process = await filled()
    const records = process.recordsOf('vault-a')
    const sealed = await storedBody(process.store, secret.collection, secret.key)
    let opened = 0
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 3) {
      const changed = Uint8Array.from(sealed)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await plant(process.store, secret.collection, secret.key, changed)
      const record = await records.readWithValue(secret.collection, secret.key).catch((error: unknown) => {
        assert.ok(error instanceof SealBroken, String(error))
      })
      if (record === undefined) continue
      opened++
      assert.equal(record.openValue().revealText(), valueAt(secret))
      assert.deepEqual(record.meta, { note: `about ${secret.key}` })
    }
    // Only the meta data's own sealed copy is not looked at.
    assert.ok(opened > 0 && opened * 3 < sealed.byteLength * 8 * 0.5)
  })

  test('does not open when meta data and value come from two writes of the same record', async () => {
    const process = await filled()
    const { store } = process
    const first = Buffer.from(await storedBody(store, secret.collection, secret.key))
    await write(process.recordsOf('vault-a'), secret, 'the newer value')
    const second = Buffer.from(await storedBody(store, secret.collection, secret.key))
    const metaEnd = META_BYTES_AT + first.readUInt32BE(5)
    assert.equal(META_BYTES_AT + second.readUInt32BE(5), metaEnd)
    for (const [head, tail] of [
      [first, second],
      [second, first],
    ] as const) {
      await plant(
        store,
        secret.collection,
        secret.key,
        Buffer.concat([head.subarray(0, metaEnd), tail.subarray(metaEnd)]),
      )
      await assertBroken(process, secret, 'a combination of two writes')
    }
  })

  test('does not open when its sealed parts change places', async () => {
    const process = await filled()
    const { store } = process
    const sealed = Buffer.from(await storedBody(store, secret.collection, secret.key))
    const metaEnd = META_BYTES_AT + sealed.readUInt32BE(5)
    const header = Buffer.from(sealed.subarray(0, META_BYTES_AT))
    header.writeUInt32BE(sealed.byteLength - metaEnd, 5)
    const swapped = Buffer.concat([header, sealed.subarray(metaEnd), sealed.subarray(META_BYTES_AT, metaEnd)])
    await plant(store, secret.collection, secret.key, swapped)
    await assertBroken(process, secret, 'value before meta data')
  })

  test('never uses a nonce twice', async () => {
    const process = await filled()
    const seen = new Set<string>()
    for (let write_ = 0; write_ < 200; write_++) {
      await write(process.recordsOf('vault-a'), secret, 'the same value')
      const sealed = Buffer.from(await storedBody(process.store, secret.collection, secret.key))
      const metaEnd = META_BYTES_AT + sealed.readUInt32BE(5)
      for (const start of [META_BYTES_AT, metaEnd]) seen.add(sealed.toString('hex', start, start + 12))
      assert.ok(sealed.byteLength > metaEnd + TAG_BYTES)
    }
    assert.equal(seen.size, 400)
  })
})

describe('a record of another installation', () => {
  test('does not open, even beside the key rows it came with', async () => {
    const mine = await filled()
    const other = await filled()
    for (const key of ['vault-a', 'vault-a/00000001']) {
      await plant(mine.store, 'vaultKeys', key, await storedBody(other.store, 'vaultKeys', key))
    }
    await plant(mine.store, secret.collection, secret.key, await storedBody(other.store, secret.collection, secret.key))
    mine.keyrings.forget('vault-a')
    await assertBroken(mine, secret, 'a whole vault of another installation')
  })
})

describe('the key of a vault', () => {
  test('does not open as the key of another vault or generation', async () => {
    const process = await filled()
    const { store, keyrings } = process
    await keyrings.addGeneration('vault-a')
    const ofA = await storedBody(store, 'vaultKeys', 'vault-a/00000001')
    for (const key of ['vault-b/00000001', 'vault-a/00000002']) {
      const own = await storedBody(store, 'vaultKeys', key)
      await plant(store, 'vaultKeys', key, ofA)
      await assert.rejects(() => keyrings.reload(key.slice(0, 7)), SealBroken)
      await plant(store, 'vaultKeys', key, own)
      await keyrings.reload(key.slice(0, 7))
    }
  })

  test('does not open when any one of its bits is flipped', async () => {
    const { store, keyrings } = await filled()
    for (const key of ['vault-a', 'vault-a/00000001']) {
      const own = await storedBody(store, 'vaultKeys', key)
      for (let bit = 0; bit < own.byteLength * 8; bit++) {
        const changed = Uint8Array.from(own)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await plant(store, 'vaultKeys', key, changed)
        await assert.rejects(() => keyrings.reload('vault-a'), SealBroken, `bit ${bit} of ${key}`)
      }
      await plant(store, 'vaultKeys', key, own)
    }
  })
})
