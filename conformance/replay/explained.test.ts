import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bindings } from './bindings.ts'
import { parseExplanations } from './explained.ts'
import { planReplay } from './plan.ts'
import { playRecording } from './player.ts'
import { makeReport, type Report, renderReport } from './report.ts'
import { echo, FIRST, OUR_HOST, OUR_START_MS, SECOND, sampleRecording, TENANT } from './sample-recording.ts'

const divergences = '| `row` | what | why | where |\n| `deletion-latency` | what | why | where |'
const latency = {
  id: 'deletion-latency',
  reason: 'ours is at once',
  divergence: 'docs/divergences.md#deletion-latency',
}
const extraHeader = {
  id: 'extra',
  recordings: 'secrets/sdk-go.*',
  kind: 'header-extra',
  where: 'x-ms-*',
  reason: 'we say more',
  divergence: 'docs/divergences.md#row',
}

async function report(
  explained: { rules: unknown[]; exceptions: unknown[] },
  hasExtraHeader: boolean,
): Promise<Report> {
  const { transport } = echo(sampleRecording, { [FIRST]: 'f'.repeat(32), [SECOND]: 'a'.repeat(32) }, (n, answer) =>
    n === 4 && hasExtraHeader ? { ...answer, headers: { ...answer.headers, 'x-ms-extra': '1' } } : answer,
  )
  const session = { transport, vaultHost: OUR_HOST, token: 'a-token', nowMs: () => OUR_START_MS }
  const plan = planReplay(sampleRecording)
  const results = await playRecording(plan, session, new Bindings(`https://${OUR_HOST}`, TENANT))
  return makeReport([{ plan, results, inBetween: [] }], {
    explanations: parseExplanations(JSON.parse(JSON.stringify(explained))),
    divergences,
    isCompleteRun: true,
    exchangesElsewhere: 5,
  })
}

test('a run without differences passes and counts what a rule rewrote apart', async () => {
  const made = await report({ rules: [latency], exceptions: [] }, false)
  assert.equal(made.hasPassed, true)
  assert.deepEqual(made.total, { compared: 10, asRecorded: 9, byRule: 1, explained: 0, differing: 0 })
  assert.equal(made.outOfScope, 5)
  assert.deepEqual(made.inBetween, { recorded: 1, compared: 0 })
})

test('a difference nobody explained fails the run', async () => {
  const made = await report({ rules: [latency], exceptions: [] }, true)
  assert.equal(made.hasPassed, false)
  assert.equal(made.total.differing, 1)
  assert.match(renderReport(made, { isVerbose: false }), /NOT EXPLAINED: header-extra x-ms-extra/)
})

test('an explained difference does not agree but is not held against the run by itself', async () => {
  const made = await report({ rules: [latency], exceptions: [extraHeader] }, true)
  assert.deepEqual(made.complaints, [])
  assert.equal(made.total.explained, 1)
  assert.equal(made.total.differing, 0)
  assert.equal(made.hasPassed, false, 'nine of ten is under 99 %')
})

test('an exception that explains nothing is an error', async () => {
  const made = await report({ rules: [latency], exceptions: [extraHeader] }, false)
  assert.deepEqual(made.complaints, ['the exception extra explained nothing in this run: remove it'])
  assert.equal(made.hasPassed, false)
})

test('a rule without a reason is an error, and so is a reason without a rule', async () => {
  assert.deepEqual((await report({ rules: [], exceptions: [] }, false)).complaints, [
    'the rule deletion-latency has no entry in explained.json',
  ])
  const unused = { ...latency, id: 'unused' }
  assert.deepEqual((await report({ rules: [latency, unused], exceptions: [] }, false)).complaints, [
    'the rule unused changed nothing in this run: remove it',
  ])
})

test('an explanation has to point to a row of docs/divergences.md', async () => {
  const astray = { ...latency, divergence: 'docs/divergences.md#nowhere' }
  assert.deepEqual((await report({ rules: [astray], exceptions: [] }, false)).complaints, [
    'deletion-latency points to docs/divergences.md#nowhere, which docs/divergences.md does not have',
  ])
})

test('an entry without a reason is refused', () => {
  assert.throws(() => parseExplanations({ rules: [{ id: 'x', divergence: 'y' }] }), /has no reason/)
})
