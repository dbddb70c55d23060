import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MOMENTS, makeFallible } from '../../tests/support/fallible-store.ts'
import { type SeededRandom, seededRandom } from '../../tests/support/seeded-random.ts'
import { createMemoryStore } from '../adapters/storage/memory/memory-store.ts'
import { checkRecords, resealRecords } from '../flows/check-records.ts'
import { RootKeyRefused } from '../ports/root-key.ts'
import { StoreConflict, StoreUnavailable } from '../ports/store.ts'
import { SealBroken } from './aead.ts'
import { RotationOverlap } from './keyrings.ts'
import { newProvider, openProcess, type Process, plant, rotateKeyring, storedBody } from './sealing-fixture.ts'
import { SecretBytes } from './secret-bytes.ts'

const VAULT = 'vault-a'
const NAMES = ['one', 'two', 'three']
const MAX_FAULTS = 500

const expectedOf = (name: string) => `value of ${name}`

async function write(process: Process, name: string, value = expectedOf(name), vault = VAULT): Promise<void> {
  await process
    .recordsOf(vault)
    .commit([
      { collection: 'secrets', key: `${vault}/${name}`, expect: 'any', meta: {}, value: SecretBytes.fromText(value) },
    ])
}

async function valueIn(process: Process, name: string, vault = VAULT): Promise<string | undefined> {
  return (await process.recordsOf(vault).read('secrets', `${vault}/${name}`))?.openValue().revealText()
}

/** An installation with a few records in one vault, opened as one process. */
async function filled() {
  const store = createMemoryStore()
  const provider = newProvider()
  const process = await openProcess(store, provider)
  await process.keyrings.ensure(VAULT)
  for (const name of NAMES) await write(process, name)
  return { store, provider, process }
}

/** A process that has just started finds every record and key whole, and these values. */
async function assertWhole(
  { store, provider }: Pick<Awaited<ReturnType<typeof filled>>, 'store' | 'provider'>,
  names: readonly string[] = NAMES,
): Promise<void> {
  const process = await openProcess(store, provider)
  const { problems } = await checkRecords(process, process.keyrings, () => undefined)
  assert.deepEqual(problems, [])
  for (const name of names) assert.equal(await valueIn(process, name), expectedOf(name))
}

const countOf = async (process: Process, collection: 'rootKeys' | 'vaultKeys', prefix: string) =>
  (await process.store.page(collection, { prefix, limit: 1000 })).length

describe('rotating the key of a vault', () => {
  test('seals every record anew, and the older key is gone', async () => {
    const { process, ...data } = await filled()
    await rotateKeyring(process, VAULT)
    await assertWhole(data)
    assert.equal(await countOf(process, 'vaultKeys', `${VAULT}/`), 1)
  })

  test('is noticed by a process that knows only the older key, when it reads and when it writes', async () => {
    const { process, store, provider } = await filled()
    const other = await openProcess(store, provider)
    assert.equal(await valueIn(other, 'one'), expectedOf('one'))
    await rotateKeyring(process, VAULT)
    assert.equal(await valueIn(other, 'one'), expectedOf('one'))
    await rotateKeyring(process, VAULT)
    await write(other, 'four')
    assert.equal(await valueIn(process, 'four'), expectedOf('four'))
  })

  test('does not drop a key that records are still sealed by when two processes rotate at once', async () => {
    const { process, store, provider } = await filled()
    const other = await openProcess(store, provider)
    const mine = await process.keyrings.addGeneration(VAULT)
    assert.equal(await resealRecords(process, VAULT, mine, () => undefined), 0)
    // Everything is sealed by the second key now, and the other one begins a third.
    const theirs = await other.keyrings.addGeneration(VAULT)
    await assert.rejects(() => process.keyrings.dropOldGenerations(VAULT, mine), RotationOverlap)
    await assertWhole({ store, provider })
    assert.equal(await resealRecords(other, VAULT, theirs, () => undefined), 0)
    assert.equal(await other.keyrings.dropOldGenerations(VAULT, theirs), 2)
    await assertWhole({ store, provider })
  })

  test('drops nothing when another rotation begins right before it would', async () => {
    const { process, store, provider } = await filled()
    const faults = makeFallible(store)
    const generation = await process.keyrings.addGeneration(VAULT)
    assert.equal(await resealRecords(process, VAULT, generation, () => undefined), 0)
    const other = await openProcess(store, provider)
    faults.onCall(async (call) => {
      if (call !== 'commit') return
      faults.onCall(undefined)
      await other.keyrings.addGeneration(VAULT)
    })
    await assert.rejects(() => process.keyrings.dropOldGenerations(VAULT, generation), RotationOverlap)
    await assertWhole({ store, provider })
  })

  test('that is interrupted at any call loses nothing, and is finished by the next one', async () => {
    await interruptedEverywhere((process) => rotateKeyring(process, VAULT))
  })
})

describe('rotating the root key', () => {
  test('wraps every key anew, and the older root key is gone', async () => {
    const { process, ...data } = await filled()
    const wrapped: number[] = []
    await process.keyrings.rotateRootKey((done) => wrapped.push(done))
    await assertWhole(data)
    assert.deepEqual(wrapped, [1, 2])
    assert.equal(await countOf(process, 'rootKeys', ''), 2)
  })

  test('by two processes at once never drops the root key that the other one wraps by', async () => {
    const { process, store, provider } = await filled()
    const faults = makeFallible(store)
    const other = await openProcess(store, provider)
    // The other one does all of its work before any one call of the first: everywhere in turn.
    for (let at = 1; at < MAX_FAULTS; at++) {
      let calls = 0
      let hasInterrupted = false
      faults.onCall(async () => {
        if (++calls !== at) return
        faults.onCall(undefined)
        hasInterrupted = true
        await other.keyrings.rotateRootKey(() => undefined)
      })
      await process.keyrings.rotateRootKey(() => undefined).catch(expected(RotationOverlap))
      faults.onCall(undefined)
      await assertWhole({ store, provider })
      if (!hasInterrupted) return
    }
    assert.fail('it never came to an end')
  })

  test('does not leave behind a vault that is made at the same time', async () => {
    const { process, store, provider } = await filled()
    const faults = makeFallible(store)
    const other = await openProcess(store, provider)
    for (let at = 1; at < MAX_FAULTS; at++) {
      let calls = 0
      let hasInterrupted = false
      faults.onCall(async () => {
        if (++calls !== at) return
        faults.onCall(undefined)
        hasInterrupted = true
        await other.keyrings.rotateRootKey(() => undefined)
      })
      const vault = `made-${at}`
      await process.keyrings.ensure(vault)
      faults.onCall(undefined)
      await write(process, 'one', expectedOf('one'), vault)
      const fresh = await openProcess(store, provider)
      assert.equal(await valueIn(fresh, 'one', vault), expectedOf('one'))
      if (!hasInterrupted) return
    }
    assert.fail('it never came to an end')
  })

  test('is refused once the root key was moved to another provider', async () => {
    const { process, store } = await filled()
    const next = newProvider()
    await process.keyrings.changeProvider(next)
    await assert.rejects(() => process.keyrings.rotateRootKey(() => undefined), RootKeyRefused)
    await assertWhole({ store, provider: next })
  })

  test('that is interrupted at any call loses nothing, and is finished by the next one', async () => {
    await interruptedEverywhere((process) => process.keyrings.rotateRootKey(() => undefined))
  })
})

describe('changing the provider of the root key', () => {
  test('moves everything to the new one, and the old one opens nothing any more', async () => {
    const { process, store, provider } = await filled()
    const next = newProvider()
    await process.keyrings.changeProvider(next)
    await assertWhole({ store, provider: next })
    await assert.rejects(() => openProcess(store, provider), RootKeyRefused)
    // A process that runs on keeps working with the keys it holds.
    await write(process, 'four')
  })

  test('while the root key is rotated leaves no root key that only the old one opens', async () => {
    for (let at = 1; at < MAX_FAULTS; at++) {
      const { process, store, provider } = await filled()
      const faults = makeFallible(store)
      const other = await openProcess(store, provider)
      const next = newProvider()
      let calls = 0
      let hasInterrupted = false
      faults.onCall(async () => {
        if (++calls !== at) return
        faults.onCall(undefined)
        hasInterrupted = true
        await other.keyrings.changeProvider(next)
      })
      await process.keyrings.rotateRootKey(() => undefined).catch(expected(RotationOverlap, RootKeyRefused))
      faults.onCall(undefined)
      await assertWhole({ store, provider: hasInterrupted ? next : provider })
      if (!hasInterrupted) return
    }
    assert.fail('it never came to an end')
  })

  test('that is interrupted at any call leaves the data open to the one or the other', async () => {
    for (const moment of MOMENTS) {
      for (let call = 1; call < MAX_FAULTS; call++) {
        const { process, store, provider } = await filled()
        const faults = makeFallible(store)
        const next = newProvider()
        faults.failAt(call, moment)
        await process.keyrings.changeProvider(next).catch(expected(StoreUnavailable))
        const hasFailed = faults.mend() !== undefined
        await Promise.any([assertWhole({ store, provider }), assertWhole({ store, provider: next })])
        if (!hasFailed) break
      }
    }
  })
})

describe('a process that starts, or looks for keys again, in the middle of a rotation', () => {
  const rotations = {
    'of the root key': async (process: Process) => {
      await process.keyrings.rotateRootKey(() => undefined)
    },
    'of a vault and the root key': async (process: Process) => {
      await rotateKeyring(process, VAULT)
      await process.keyrings.rotateRootKey(() => undefined)
      await rotateKeyring(process, VAULT)
    },
  }
  for (const [name, rotate] of Object.entries(rotations)) {
    test(`finds them, wherever the whole rotation ${name} comes in between`, async () => {
      for (let at = 1; at < MAX_FAULTS; at++) {
        const { process, store, provider } = await filled()
        const faults = makeFallible(store)
        let calls = 0
        let hasInterrupted = false
        faults.onCall(async () => {
          if (++calls !== at) return
          faults.onCall(undefined)
          hasInterrupted = true
          await rotate(process)
        })
        const starting = await openProcess(store, provider)
        for (const record of NAMES) assert.equal(await valueIn(starting, record), expectedOf(record))
        const page = await starting.recordsOf(VAULT).page('secrets', { prefix: '', limit: 10 })
        assert.equal(page.length, NAMES.length)
        await write(starting, 'another')
        starting.keyrings.forget(VAULT)
        assert.equal(await valueIn(starting, 'another'), expectedOf('another'))
        faults.onCall(undefined)
        if (!hasInterrupted) return
      }
      assert.fail('it never came to an end')
    })
  }
})

describe('rotations of vault keys and root key at once, by two processes, while a third one writes', () => {
  for (const seed of Array.from({ length: 12 }, (_, index) => index + 1)) {
    test(`lose nothing and leave every record open (seed ${seed})`, async () => {
      const { process, store, provider } = await filled()
      const random = seededRandom(seed)
      const faults = makeFallible(store)
      // Every call of the store may be overtaken by others.
      faults.onCall(async () => {
        for (let turns = random.below(4); turns > 0; turns--) await nextTurn()
      })
      const [first, second, third] = await Promise.all([1, 2, 3].map(() => openProcess(store, provider)))
      assert.ok(first !== undefined && second !== undefined && third !== undefined)
      const written: string[] = []
      let isRotating = true
      const writer = async (writing: Process) => {
        for (let number = 0; isRotating && number < 100; number++) {
          const name = `written-${writing === process}-${number}`
          await write(writing, name)
          written.push(name)
        }
      }
      const writers = [writer(process), writer(third)]
      await Promise.all([rotateOften(first, random), rotateOften(second, random)])
      isRotating = false
      await Promise.all(writers)
      faults.onCall(undefined)
      assert.ok(written.length > 10)
      await assertWhole({ store, provider }, [...NAMES, ...written])
      await rotateKeyring(first, VAULT)
      await first.keyrings.rotateRootKey(() => undefined)
      await assertWhole({ store, provider }, [...NAMES, ...written])
      assert.equal(await countOf(first, 'rootKeys', ''), 2)
    })
  }
})

async function rotateOften(process: Process, random: SeededRandom): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const work = random.below(2) === 0 ? rotateKeyring(process, VAULT) : process.keyrings.rotateRootKey(() => undefined)
    await work.catch(expected(RotationOverlap, StoreConflict))
  }
}

describe('key records that were changed', () => {
  test('are refused as broken, whatever is wrong with them', async () => {
    const { process, store } = await filled()
    const own = await storedBody(store, 'vaultKeys', VAULT)
    for (const body of ['', '{}', '[]', '{"generation":2}', '{"generation":"x"}', 'null']) {
      await plant(store, 'vaultKeys', VAULT, Buffer.from(body))
      await assert.rejects(() => process.keyrings.reload(VAULT), SealBroken, body)
    }
    await plant(store, 'vaultKeys', VAULT, own)
    await assertWholeVault(process)
  })

  test('are refused as broken when the root key they name is not there', async () => {
    const { process, store, provider } = await filled()
    const pointer = JSON.parse(Buffer.from(await storedBody(store, 'rootKeys', 'current')).toString())
    await store.commit([{ collection: 'rootKeys', key: pointer.rootKeyId, expect: 'any', body: null }])
    await assert.rejects(() => openProcess(store, provider), SealBroken)
    await assertWholeVault(process)
  })
})

async function assertWholeVault(process: Process): Promise<void> {
  process.keyrings.forget(VAULT)
  for (const name of NAMES) assert.equal(await valueIn(process, name), expectedOf(name))
}

/** Does some work with the n-th call of the store failing, for every n, each time on fresh data. */
async function interruptedEverywhere(work: (process: Process) => Promise<void>): Promise<void> {
  for (const moment of MOMENTS) {
    for (let call = 1; ; call++) {
      assert.ok(call < MAX_FAULTS, 'it never came to an end')
      const { process, ...data } = await filled()
      const faults = makeFallible(data.store)
      faults.failAt(call, moment)
      let error: unknown
      await work(process).catch((caught: unknown) => {
        error = caught
      })
      const failed = faults.mend()
      await assertWhole(data)
      // What runs on goes on as well, and so does what starts now.
      await write(process, 'one')
      await work(await openProcess(data.store, data.provider))
      await assertWhole(data)
      assert.equal(await countOf(process, 'rootKeys', ''), 2)
      if (failed === undefined) {
        assert.equal(error, undefined)
        break
      }
      assert.ok(error instanceof StoreUnavailable, `${moment} call ${call}, ${failed}: ${String(error)}`)
    }
  }
}

/** Lets through the refusals that a race may end in. */
function expected(...kinds: readonly (abstract new (...parts: never[]) => Error)[]) {
  return (error: unknown): void => {
    if (!kinds.some((kind) => error instanceof kind)) throw error
  }
}
