import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MOMENTS, makeFallible } from '../../tests/support/fallible-store.ts'
import type { DeletedSecretMeta } from '../domain/secrets/secret.ts'
import type { Vault } from '../domain/vaults/vault.ts'
import { checkRecords } from '../flows/check-records.ts'
import { purgedMarkKey } from '../flows/secret-records.ts'
import { StoreUnavailable } from '../ports/store.ts'
import { storedBody } from '../sealing/sealing-fixture.ts'
import { runOnce } from './job.ts'
import { countIn, type JobTest, putDeleted, startJobTest } from './jobs-fixture.ts'
import { purgeDueJob } from './purge-due.ts'

const DAY_MS = 86_400_000
const RETENTION_MS = 7 * DAY_MS
const MAX_FAULTS = 500
const job = purgeDueJob(60_000)

const run = (test: JobTest) => runOnce(job, test.parts, 'me')

async function deletedNames(test: JobTest, { vaultId }: Vault): Promise<readonly string[]> {
  const page = await test
    .recordsOf(vaultId)
    .page<DeletedSecretMeta>('deletedSecrets', { prefix: `${vaultId}/`, limit: 1000 })
  return page.map(({ meta }) => meta.name)
}

/** Counts scrubs, and lets them fail while `failure` is set. */
function watchScrubs(test: JobTest): { count: number; failure: Error | undefined } {
  const scrubs: { count: number; failure: Error | undefined } = { count: 0, failure: undefined }
  test.store.scrub = async () => {
    if (scrubs.failure !== undefined) throw scrubs.failure
    scrubs.count++
  }
  return scrubs
}

async function assertNothingLeft(test: JobTest): Promise<void> {
  for (const collection of ['deletedSecrets', 'secretVersions', 'scheduledPurges'] as const) {
    assert.equal(await countIn(test, collection), 0, collection)
  }
}

describe('the purge job', () => {
  test('purges a deleted secret with all its versions in the second its retention ends, not before', async () => {
    const test = await startJobTest()
    const scrubs = watchScrubs(test)
    const vault = await test.newVault()
    await putDeleted(test, vault, 'One')
    test.clock.advance(RETENTION_MS - 1000)
    await run(test)
    assert.deepEqual(await deletedNames(test, vault), ['One'])
    assert.equal(test.recorded.length, 0)
    assert.equal(scrubs.count, 0)
    test.clock.advance(1000)
    await run(test)
    await assertNothingLeft(test)
    assert.equal(scrubs.count, 1)
    assert.deepEqual(
      test.recorded.map(({ operationName, resourceId, properties }) => [operationName, resourceId, properties.id]),
      [
        [
          'SecretPurge',
          '/SUBSCRIPTIONS/SUBSCRIPTION/RESOURCEGROUPS/KEYHAVEN/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/VAULT-A',
          'secrets/One',
        ],
      ],
    )
    await run(test)
    assert.equal(scrubs.count, 1)
    assert.equal(test.recorded.length, 1)
  })

  test('purges what is due of every vault, and leaves what was deleted later', async () => {
    const test = await startJobTest()
    const [first, second] = [await test.newVault('vault-a'), await test.newVault('vault-b')]
    for (const vault of [first, second]) await putDeleted(test, vault, 'early')
    test.clock.advance(DAY_MS)
    for (const vault of [first, second]) await putDeleted(test, vault, 'late')
    test.clock.advance(RETENTION_MS - DAY_MS)
    await run(test)
    for (const vault of [first, second]) assert.deepEqual(await deletedNames(test, vault), ['late'])
    assert.equal(test.recorded.length, 2)
  })

  test('purges more than it reads at a time', async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    for (let number = 0; number < 230; number++) await putDeleted(test, vault, `name-${number}`)
    test.clock.advance(RETENTION_MS)
    await run(test)
    await assertNothingLeft(test)
    assert.equal(test.recorded.length, 230)
  })

  test('believes the sealed dates of the deleted secret, not the schedule', async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    await putDeleted(test, vault, 'one')
    const [schedule] = await test.store.page('scheduledPurges', { prefix: '', limit: 1 })
    // Whoever can write to the data file could put an earlier date into the schedule.
    await test.store.commit([
      {
        collection: 'scheduledPurges',
        key: `000000000001/${vault.vaultId}/secret/one`,
        expect: 'absent',
        body: schedule?.body ?? assert.fail(),
      },
    ])
    await run(test)
    assert.deepEqual(await deletedNames(test, vault), ['one'])
    assert.equal(test.recorded.length, 0)
    assert.equal(await countIn(test, 'scheduledPurges'), 1)
  })

  test('leaves a secret alone that was recovered and deleted again since it was scheduled', async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    await putDeleted(test, vault, 'one')
    test.clock.advance(DAY_MS)
    const key = `${vault.vaultId}/one`
    const deleted = await test.recordsOf(vault.vaultId).read('deletedSecrets', key)
    await test
      .recordsOf(vault.vaultId)
      .commit([{ collection: 'deletedSecrets', key, expect: deleted?.revision ?? 'any', meta: null }])
    await putDeleted(test, vault, 'one')
    test.clock.advance(RETENTION_MS - DAY_MS)
    await run(test)
    assert.deepEqual(await deletedNames(test, vault), ['one'])
    assert.equal(await countIn(test, 'scheduledPurges'), 1)
    test.clock.advance(DAY_MS)
    await run(test)
    assert.deepEqual(await deletedNames(test, vault), [])
  })

  test('purges nothing that it cannot record', async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    await putDeleted(test, vault, 'one')
    await putDeleted(test, vault, 'two')
    test.clock.advance(RETENTION_MS)
    test.sinkFailure = new Error('the audit disk is full')
    await assert.rejects(() => run(test), /the audit disk is full/)
    assert.deepEqual(await deletedNames(test, vault), ['one', 'two'])
    assert.equal(await countIn(test, 'secretVersions'), 2)
    test.sinkFailure = undefined
    await run(test)
    await assertNothingLeft(test)
    assert.equal(test.recorded.length, 2)
  })

  test('purges the others when one record was changed by somebody, and says so', async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    for (const name of ['a', 'b', 'c']) await putDeleted(test, vault, name)
    const body = await storedBody(test.store, 'deletedSecrets', `${vault.vaultId}/b`)
    await test.store.commit([
      { collection: 'deletedSecrets', key: `${vault.vaultId}/a`, expect: 'any', body: Uint8Array.from(body) },
    ])
    test.clock.advance(RETENTION_MS)
    await assert.rejects(() => run(test), /could not be purged: "keyhaven doctor" names them/)
    const left = await test.store.page('deletedSecrets', { prefix: '', limit: 10 })
    assert.deepEqual(
      left.map(({ key }) => key),
      [`${vault.vaultId}/a`],
    )
    assert.equal(test.recorded.length, 2)
  })

  test('tries again to scrub the files when that could not be done', async () => {
    const test = await startJobTest()
    const scrubs = watchScrubs(test)
    const vault = await test.newVault()
    await putDeleted(test, vault, 'one')
    test.clock.advance(RETENTION_MS)
    scrubs.failure = new StoreUnavailable('a backup reads')
    await assert.rejects(() => run(test), StoreUnavailable)
    assert.deepEqual(await deletedNames(test, vault), [])
    await assert.rejects(() => run(test), StoreUnavailable)
    scrubs.failure = undefined
    await run(test)
    assert.equal(scrubs.count, 1)
    await assertNothingLeft(test)
    await run(test)
    assert.equal(scrubs.count, 1)
  })

  test("scrubs the files after a client's purge, and again when one came in meanwhile", async () => {
    const test = await startJobTest()
    const vault = await test.newVault()
    const purgeByClient = () =>
      test
        .recordsOf(vault.vaultId)
        .commit([{ collection: 'scheduledPurges', key: purgedMarkKey(vault.vaultId), expect: 'any', meta: {} }])
    let scrubs = 0
    test.store.scrub = async () => {
      if (++scrubs === 1) await purgeByClient()
    }
    await purgeByClient()
    await run(test)
    assert.equal(scrubs, 1)
    assert.equal(await countIn(test, 'scheduledPurges'), 1)
    await run(test)
    assert.equal(scrubs, 2)
    await assertNothingLeft(test)
    assert.equal(test.recorded.length, 0)
  })

  test('that is interrupted at any call of the store leaves nothing half purged, and ends its work the next time', async () => {
    for (const moment of MOMENTS) {
      for (let call = 1; ; call++) {
        assert.ok(call < MAX_FAULTS, 'it never came to an end')
        const test = await startJobTest()
        const scrubs = watchScrubs(test)
        const vault = await test.newVault()
        for (const name of ['one', 'two']) await putDeleted(test, vault, name)
        test.clock.advance(DAY_MS)
        await putDeleted(test, vault, 'later')
        test.clock.advance(RETENTION_MS - DAY_MS)
        const faults = makeFallible(test.store)
        faults.failAt(call, moment)
        let error: unknown
        await run(test).catch((caught: unknown) => {
          error = caught
        })
        const failed = faults.mend()
        const what = `${moment} call ${call}: ${failed}`
        // Each is there whole, with its version, or gone whole.
        const names = await deletedNames(test, vault)
        assert.equal(await countIn(test, 'secretVersions'), names.length, what)
        assert.ok(names.includes('later'))
        const { problems } = await checkRecords(test, test.keyrings, () => undefined)
        assert.deepEqual(problems, [], what)
        // Whatever is gone was recorded before.
        for (const name of ['one', 'two']) {
          if (!names.includes(name))
            assert.ok(test.recorded.some(({ properties }) => properties.id === `secrets/${name}`))
        }
        await run(test)
        assert.deepEqual(await deletedNames(test, vault), ['later'], what)
        assert.equal(await countIn(test, 'secretVersions'), 1)
        assert.equal(await countIn(test, 'scheduledPurges'), 1)
        assert.ok(scrubs.count > 0)
        if (failed === undefined) {
          assert.equal(error, undefined)
          assert.equal(test.recorded.length, 2)
          break
        }
        assert.ok(error instanceof StoreUnavailable, what)
      }
    }
  })
})
