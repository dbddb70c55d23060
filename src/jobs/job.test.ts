import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { makeFallible } from '../../tests/support/fallible-store.ts'
import { StoreUnavailable } from '../ports/store.ts'
import { type Job, runOnce, startJobs } from './job.ts'
import { startJobTest } from './jobs-fixture.ts'

const INTERVAL_MS = 60_000

/** A job that counts its runs; `during` happens in each. */
function counting(during: () => Promise<void> = async () => undefined): Job & { runs: number } {
  const job = {
    name: 'counting',
    intervalMs: INTERVAL_MS,
    runs: 0,
    async run() {
      job.runs++
      await during()
    },
  }
  return job
}

/** Lets everything that can go on without time passing go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

describe('a job', () => {
  test('runs after each interval, counted from the end of the run before', async () => {
    const { clock, parts } = await startJobTest()
    const work = Promise.withResolvers<void>()
    const job = counting(() => (job.runs === 2 ? work.promise : Promise.resolve()))
    const stop = startJobs([job], parts)
    await settle()
    assert.equal(job.runs, 0)
    clock.advance(INTERVAL_MS - 1)
    await settle()
    assert.equal(job.runs, 0)
    clock.advance(1)
    await settle()
    assert.equal(job.runs, 1)
    clock.advance(INTERVAL_MS)
    await settle()
    clock.advance(INTERVAL_MS * 5)
    await settle()
    assert.equal(job.runs, 2, 'the second run goes on')
    work.resolve()
    await settle()
    clock.advance(INTERVAL_MS)
    await settle()
    assert.equal(job.runs, 3)
    await stop()
  })

  test('that fails is told of and runs again at its next time', async () => {
    const { clock, parts, failures } = await startJobTest()
    const job = counting(() => (job.runs === 1 ? Promise.reject(new Error('no luck')) : Promise.resolve()))
    const stop = startJobs([job], parts)
    clock.advance(INTERVAL_MS)
    await settle()
    assert.deepEqual(failures, [new Error('no luck')])
    clock.advance(INTERVAL_MS)
    await settle()
    assert.equal(job.runs, 2)
    assert.equal(failures.length, 1)
    await stop()
  })

  test('whose lease cannot be read or written is told of and runs again at its next time', async () => {
    const { clock, parts, failures, store } = await startJobTest()
    const faults = makeFallible(store)
    const job = counting()
    const stop = startJobs([job], parts)
    for (const call of [1, 2]) {
      faults.failAt(call, 'before')
      clock.advance(INTERVAL_MS)
      await settle()
      assert.notEqual(faults.mend(), undefined)
      assert.equal(job.runs, 0)
      assert.equal(failures.length, call)
      assert.ok(failures.at(-1) instanceof StoreUnavailable)
    }
    clock.advance(INTERVAL_MS)
    await settle()
    assert.equal(job.runs, 1)
    await stop()
  })

  test('that is stopped while it runs is waited for, and does not run again', async () => {
    const { clock, parts } = await startJobTest()
    const work = Promise.withResolvers<void>()
    const job = counting(() => work.promise)
    const stop = startJobs([job], parts)
    clock.advance(INTERVAL_MS)
    await settle()
    assert.equal(job.runs, 1)
    let hasStopped = false
    const stopping = stop().then(() => {
      hasStopped = true
    })
    await settle()
    assert.equal(hasStopped, false)
    work.resolve()
    await stopping
    clock.advance(INTERVAL_MS * 3)
    await settle()
    assert.equal(job.runs, 1)
  })

  test('leaves records that name it and what it did', async () => {
    const { parts, recorded } = await startJobTest()
    const job: Job = {
      ...counting(),
      run: ({ audit }) => audit({ operationName: 'SecretPurge', resourceId: '/A/VAULT', id: 'secrets/name' }),
    }
    await runOnce(job, parts, 'me')
    const [record] = recorded
    assert.equal(record?.operationName, 'SecretPurge')
    assert.equal(record.resourceId, '/A/VAULT')
    assert.equal(record.properties.id, 'secrets/name')
    assert.deepEqual(record.identity, { claim: { appid: 'keyhaven job counting' } })
    assert.equal(record.time, '2026-01-15T12:00:00.0000000Z')
  })
})

describe('the lease of a job', () => {
  test('lets one of several processes run it, until three intervals passed without a sign of that one', async () => {
    const { clock, parts } = await startJobTest()
    const job = counting()
    assert.equal(await runOnce(job, parts, 'first'), true)
    assert.equal(await runOnce(job, parts, 'second'), false)
    clock.advance(INTERVAL_MS * 2)
    assert.equal(await runOnce(job, parts, 'first'), true)
    clock.advance(INTERVAL_MS * 3 - 1)
    assert.equal(await runOnce(job, parts, 'second'), false)
    clock.advance(1)
    assert.equal(await runOnce(job, parts, 'second'), true)
    assert.equal(await runOnce(job, parts, 'first'), false)
    assert.equal(job.runs, 3)
  })

  test('goes to one process only when several want it at the same moment', async () => {
    const { clock, parts } = await startJobTest()
    const job = counting()
    for (let round = 1; round <= 5; round++) {
      const holders = ['a', 'b', 'c', 'd'].map((name) => runOnce(job, parts, `${name}${round}`))
      assert.equal((await Promise.all(holders)).filter((ran) => ran).length, 1)
      assert.equal(job.runs, round)
      clock.advance(INTERVAL_MS * 3)
    }
  })

  test('of one job does not keep another one from running', async () => {
    const { parts } = await startJobTest()
    assert.equal(await runOnce(counting(), parts, 'first'), true)
    assert.equal(await runOnce({ ...counting(), name: 'another' }, parts, 'second'), true)
  })
})
