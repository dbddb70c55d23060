import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { put } from '../../../../tests/contract/store.ts'
import { type Change, StoreConflict, StoreUnavailable } from '../../../ports/store.ts'
import { forwardCommits, serveCommits } from './commit-forwarding.ts'
import { answerTo, CommitLine, type CommitsMessage } from './commit-line.ts'

/** One end of a channel between two processes; what it sends, the other end gets as a message. */
class ChannelEnd extends EventEmitter {
  other: ChannelEnd | undefined
  send(message: object, callback: (error: Error | null) => void): boolean {
    queueMicrotask(() => {
      if (this.other === undefined) callback(new Error('channel closed'))
      else {
        this.other.emit('message', structuredClone(message))
        callback(null)
      }
    })
    return true
  }
}

function connected(): { parent: ChannelEnd; child: ChannelEnd } {
  const parent = new ChannelEnd()
  const child = new ChannelEnd()
  parent.other = child
  child.other = parent
  return { parent, child }
}

const isGone = (error: unknown) => error instanceof StoreUnavailable

test('commits of one turn travel in one message, and each gets its own outcome', async () => {
  const sent: CommitsMessage[] = []
  const line = new CommitLine((message) => {
    sent.push(message)
    void answerTo(message, commit)?.then((answer) => {
      line.receive(answer)
    })
  })
  const commit = async (changes: readonly Change[]) => {
    const [first] = changes
    if (first?.key === 'conflict') throw new StoreConflict('secrets', 'conflict')
    if (first?.key === 'unavailable')
      throw new StoreUnavailable('the disk is full', { cause: new Error('SQLITE_FULL') })
    if (first?.key === 'bug') throw new TypeError('not a function')
  }
  const attempts = await Promise.allSettled(
    ['fine', 'conflict', 'unavailable', 'bug', 'fine'].map((key) => line.commit([put(key, 'x')])),
  )
  assert.equal(sent.length, 1)
  assert.deepEqual(
    attempts.map((attempt) => (attempt.status === 'rejected' ? String(attempt.reason) : attempt.status)),
    [
      'fulfilled',
      'StoreConflict: the record secrets conflict is not in the expected state',
      'StoreUnavailable: the disk is full',
      'StoreUnavailable: the writer failed',
      'fulfilled',
    ],
  )
  assert.equal(line.unansweredCount, 0)
})

test('the two ends over a channel between processes commit and refuse as the store does', async () => {
  const { parent, child } = connected()
  const committed: (readonly Change[])[] = []
  serveCommits(parent, {
    async commit(changes) {
      if (changes[0]?.key === 'conflict') throw new StoreConflict('secrets', 'conflict')
      committed.push(changes)
    },
  })
  const commit = forwardCommits(child)
  await commit([put('k', 'bytes')])
  assert.deepEqual(committed, [[put('k', 'bytes')]])
  await assert.rejects(commit([put('conflict', 'x')]), StoreConflict)
})

test('messages about something else are left alone by both ends', async () => {
  const { parent, child } = connected()
  serveCommits(parent, { commit: async () => undefined })
  const commit = forwardCommits(child)
  for (const message of [undefined, null, 'text', 7, {}, { type: 'keyhaven ready' }]) {
    parent.emit('message', message)
    child.emit('message', message)
  }
  await commit([put('k', 'x')])
})

test('a dead writer refuses everything outstanding as unavailable, and all that comes later', async () => {
  const { child } = connected()
  const commit = forwardCommits(child)
  const outstanding = [commit([put('a', 'x')]), commit([put('b', 'x')])]
  const refused = Promise.all(outstanding.map((attempt) => assert.rejects(attempt, isGone)))
  setImmediate(() => child.emit('disconnect'))
  await refused
  await assert.rejects(commit([put('c', 'x')]), isGone)
})

test('a writer that cannot be sent to refuses the commit as unavailable', async () => {
  const { child } = connected()
  child.other = undefined
  await assert.rejects(forwardCommits(child)([put('a', 'x')]), isGone)
  const alone = new EventEmitter()
  await assert.rejects(forwardCommits(alone)([put('a', 'x')]), isGone)
})

test('more commits than may wait for an answer are refused', async () => {
  const line = new CommitLine(() => undefined)
  const waiting = Array.from({ length: 10_000 }, () => line.commit([]))
  await assert.rejects(line.commit([]), /too many commits wait/)
  const refused = Promise.all(waiting.map((attempt) => assert.rejects(attempt, isGone)))
  line.break(new StoreUnavailable('the end'))
  await refused
})
