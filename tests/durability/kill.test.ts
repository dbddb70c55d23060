/** A short run of the kill test; kill-loop.ts runs it for as long as wanted. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { endLeftProcesses } from '../support/real-server.ts'
import { killsOf, runKills } from './kill-rounds.ts'

after(endLeftProcesses)

const SEED = Number(process.env.KEYHAVEN_TEST_SEED ?? Date.now() % 1_000_000)

for (const [workers, kills] of [
  [1, 11],
  [2, 4],
] as const) {
  test(`nothing acknowledged is lost in ${kills} kills, with ${workers} answering (seed ${SEED})`, async () => {
    const report = await runKills({
      kills,
      seed: SEED,
      workers,
      clients: 16,
      roundsPerFolder: 100,
      roundsPerInspection: 5,
    })
    assert.deepEqual(report.violations, [])
    assert.ok(killsOf(report) >= kills)
    // A run in which nothing was acknowledged, checked or interrupted would prove nothing.
    assert.ok((report.answered.set ?? 0) > 0)
    assert.ok(report.verifiedSecrets > 0)
    assert.ok(report.pendingApplied + report.pendingNotApplied > 0)
  })
}
