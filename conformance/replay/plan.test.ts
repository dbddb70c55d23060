import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planReplay } from './plan.ts'
import { parseRecording, type Recording } from './recordings.ts'
import { exchange, FIRST, RECORDED_VAULT, SECOND, sampleRecording } from './sample-recording.ts'

const attributes = { enabled: true, created: 1, updated: 1, recoveryLevel: 'Recoverable+Purgeable' }
const made = { value: 'one', id: `${RECORDED_VAULT}/secrets/cake/${FIRST}`, attributes }
const recording = (exchanges: Recording['exchanges'], source = 'sdk-go'): Recording => ({
  folder: 'secrets',
  name: `${source}.made-up`,
  source,
  exchanges,
})

test('polls after a deletion are one exchange with the settled answer, a 404 after a purge is an answer', () => {
  const plan = planReplay(sampleRecording)
  assert.deepEqual(
    plan.steps.map(({ exchange: { n }, inBetween }) => [n, inBetween.length]),
    [
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 0],
      [5, 0],
      [6, 0],
      [7, 0],
      [9, 1],
      [10, 0],
      [11, 0],
    ],
  )
})

test('the vault is read off the answers', () => {
  assert.deepEqual(planReplay(sampleRecording).vault, {
    hasSoftDelete: true,
    retentionDays: 7,
    hasPurgeProtection: false,
    usesRbac: false,
  })
  const level = { ...attributes, recoveryLevel: 'Purgeable' }
  const old = planReplay(
    recording([exchange(1, 'GET', '/secrets/cake?api-version=7.0', 200, { ...made, attributes: level })]),
  )
  assert.equal(old.vault.hasSoftDelete, false)
})

test('a body the recorder left out is read off the answer', () => {
  const answer = { ...made, contentType: 'text', tags: { a: 'b' } }
  const [step] = planReplay(
    recording([exchange(1, 'PUT', '/secrets/cake?api-version=7.3', 200, answer)], 'sdk-cpp'),
  ).steps
  assert.deepEqual(step?.body, { value: 'one', contentType: 'text', attributes: { enabled: true }, tags: { a: 'b' } })
  assert.equal(step?.isBodyRebuilt, true)
})

test('a secret that was there before is set beforehand, one of a certificate is left out', () => {
  const plan = planReplay(
    recording([
      exchange(1, 'GET', '/secrets?api-version=7.4', 200, {
        value: [
          { id: `${RECORDED_VAULT}/secrets/cake`, attributes },
          { id: `${RECORDED_VAULT}/secrets/cert`, managed: true, attributes },
        ],
        nextLink: null,
      }),
      exchange(2, 'GET', `/secrets/cert/${SECOND}?api-version=7.4`, 200, {
        ...made,
        id: `${RECORDED_VAULT}/secrets/cert/${SECOND}`,
      }),
    ]),
  )
  assert.deepEqual(
    plan.seeds.map(({ name, state }) => [name, state]),
    [['cake', 'live']],
  )
  assert.deepEqual([...plan.managedNames], ['cert'])
  assert.deepEqual(
    plan.notPlayed.map(({ reason }) => reason),
    ['the secret belongs to a certificate'],
  )
})

test('keys, certificates and the management API are out of scope', () => {
  const elsewhere = { ...exchange(2, 'GET', '/secrets/x', 200, null), url: 'https://management.azure.com/secrets/x' }
  const plan = planReplay(recording([exchange(1, 'GET', '/keys/cake?api-version=7.4', 200, null), elsewhere]))
  assert.equal(plan.steps.length, 0)
  assert.equal(plan.outOfScope.length, 2)
})

test('something that is not an exchange is refused', () => {
  assert.throws(() => parseRecording('secrets', 'sdk-go.broken.json', '[{"n":1}]'), /is not an exchange/)
})
