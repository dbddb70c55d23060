import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFallible } from '../../tests/support/fallible-store.ts'
import { COLLECTIONS, type Store } from '../ports/store.ts'
import { generationOf } from '../sealing/sealed-records.ts'
import { openProcess, type Process, plant, storedBody } from '../sealing/sealing-fixture.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import { checkRecords, resealRecords } from './check-records.ts'

const VAULT = 'vault-a'

/** A vault with one record of each kind that a vault has, and two of the installation. */
async function filled(): Promise<Process> {
  const process = await openProcess()
  await process.keyrings.ensure(VAULT)
  const value = SecretBytes.fromText('a value')
  await process.recordsOf(VAULT).commit([
    { collection: 'secrets', key: `${VAULT}/one`, expect: 'absent', meta: {}, value },
    { collection: 'secrets', key: `${VAULT}/two`, expect: 'absent', meta: {}, value },
    { collection: 'secretVersions', key: `${VAULT}/one/${'1'.repeat(32)}`, expect: 'absent', meta: {}, value },
    { collection: 'deletedSecrets', key: `${VAULT}/three`, expect: 'absent', meta: {}, value },
    { collection: 'scheduledPurges', key: `000000000001/${VAULT}/secret/three`, expect: 'absent', meta: {} },
  ])
  await process.installation.commit([
    { collection: 'vaults', key: VAULT, expect: 'absent', meta: {} },
    { collection: 'meta', key: 'auditKey', expect: 'absent', meta: {}, value },
  ])
  return process
}

async function everything(store: Store) {
  const pages = await Promise.all(
    COLLECTIONS.map(async (collection) => {
      const records = await store.page(collection, { prefix: '', limit: 1000 })
      return records.map(({ key, body }) => ({ collection, key, body }))
    }),
  )
  return pages.flat()
}

async function problemsOf(process: Process): Promise<readonly string[]> {
  const { problems } = await checkRecords(process, process.keyrings, () => undefined)
  return problems.map(({ collection, key }) => `${collection} ${key}`)
}

describe('checking all records', () => {
  test('finds nothing wrong with data as it was written, and counts every record', async () => {
    const process = await filled()
    const progress: number[] = []
    const { checked, problems } = await checkRecords(process, process.keyrings, (done) => progress.push(done))
    assert.deepEqual(problems, [])
    assert.equal(checked, (await everything(process.store)).length)
    assert.equal(progress.at(-1), checked)
  })

  test('names each record of which a byte was flipped, whatever kind it is', async () => {
    const process = await filled()
    const { store, keyrings } = process
    for (const { collection, key, body } of await everything(store)) {
      // The mark of the directory has no bytes, and the installation's id is bound into everything else.
      if (body.byteLength === 0 || (collection === 'meta' && key === 'installation')) continue
      const changed = Uint8Array.from(body)
      const last = changed.byteLength - 1
      changed[last] = (changed[last] ?? 0) ^ 1
      await plant(store, collection, key, changed)
      keyrings.forget(VAULT)
      const found = await problemsOf(process)
      assert.ok(
        found.some((problem) => problem === `${collection} ${key}` || problem === `${collection} ${key.split('/')[0]}`),
        `${collection} ${key}: ${found.join(', ')}`,
      )
      await plant(store, collection, key, body)
      keyrings.forget(VAULT)
    }
    assert.deepEqual(await problemsOf(process), [])
  })

  test('names both of two records that were swapped, and nothing else', async () => {
    const process = await filled()
    const { store } = process
    const [one, two] = [
      await storedBody(store, 'secrets', `${VAULT}/one`),
      await storedBody(store, 'secrets', `${VAULT}/two`),
    ]
    await plant(store, 'secrets', `${VAULT}/one`, two)
    await plant(store, 'secrets', `${VAULT}/two`, one)
    assert.deepEqual(await problemsOf(process), [`secrets ${VAULT}/one`, `secrets ${VAULT}/two`])
  })

  test('names a record whose value alone was changed', async () => {
    const process = await filled()
    const body = Uint8Array.from(await storedBody(process.store, 'secrets', `${VAULT}/one`))
    body.set([1, 2, 3], body.byteLength - 3)
    await plant(process.store, 'secrets', `${VAULT}/one`, body)
    assert.deepEqual(await problemsOf(process), [`secrets ${VAULT}/one`])
  })

  test('names a record of a vault whose keys are gone', async () => {
    const process = await filled()
    await process.store.commit(await process.keyrings.destroyChanges(VAULT))
    process.keyrings.forget(VAULT)
    assert.equal((await problemsOf(process)).length, 5)
  })
})

describe('sealing records anew', () => {
  test('reaches all records of the keyring, keeps what is in them, and leaves other keyrings alone', async () => {
    const process = await filled()
    const generation = await process.keyrings.addGeneration(VAULT)
    const progress: number[] = []
    assert.equal(await resealRecords(process, VAULT, generation, (done) => progress.push(done)), 0)
    assert.equal(progress.at(-1), 5)
    for (const { collection, key, body } of await everything(process.store)) {
      if (!key.includes(VAULT) || collection === 'vaultKeys') continue
      const expected = collection === 'vaults' || collection === 'vaultNames' ? 1 : 2
      assert.equal(generationOf({ key, body, revision: 1 }), expected, `${collection} ${key}`)
    }
    const opened = await process.recordsOf(VAULT).read('secrets', `${VAULT}/one`)
    assert.equal(opened?.openValue().revealText(), 'a value')
    assert.equal(await resealRecords(process, VAULT, generation, () => assert.fail()), 0)
  })

  test('does not overwrite a change that comes in between, and counts what is left to do', async () => {
    const process = await filled()
    const faults = makeFallible(process.store)
    const generation = await process.keyrings.addGeneration(VAULT)
    const other = process.recordsOf(VAULT)
    faults.onCall(async (call) => {
      if (call !== 'commit') return
      faults.onCall(undefined)
      const value = SecretBytes.fromText('a newer value')
      await other.commit([{ collection: 'secrets', key: `${VAULT}/one`, expect: 'any', meta: {}, value }])
    })
    assert.equal(await resealRecords(process, VAULT, generation, () => undefined), 1)
    const opened = await process.recordsOf(VAULT).read('secrets', `${VAULT}/one`)
    assert.equal(opened?.openValue().revealText(), 'a newer value')
    assert.equal(await resealRecords(process, VAULT, generation, () => undefined), 0)
    assert.equal(await process.keyrings.dropOldGenerations(VAULT, generation), 1)
    assert.deepEqual(await problemsOf(process), [])
  })
})
