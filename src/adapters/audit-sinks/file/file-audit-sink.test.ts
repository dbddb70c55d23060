import assert from 'node:assert/strict'
import { renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { appendRecords, auditRecord, loopTurnsUntil, makeAuditLog, recordNumbers } from './audit-log-fixture.ts'
import { MAX_RECORD_CHARACTERS } from './file-audit-sink.ts'
import { type AuditFileOperations, systemFileOperations } from './file-operations.ts'

const DAY_MS = 86_400_000

function countingWrites(): { readonly files: AuditFileOperations; readonly writes: number[] } {
  const writes: number[] = []
  const files: AuditFileOperations = {
    ...systemFileOperations,
    write(fd, bytes, offset, length) {
      writes.push(length)
      return systemFileOperations.write(fd, bytes, offset, length)
    },
  }
  return { files, writes }
}

test('a line is the record as it is, with the chain as its last member', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  const record = auditRecord(1, { resultDescription: 'zwei "Zeilen"\nund ein Ä 𝄞 \ud800' })
  await sink.append(record)
  await sink.close()

  const [line = ''] = log.lines()
  assert.equal(line.startsWith(JSON.stringify(record).slice(0, -1)), true)
  const parsed: unknown = JSON.parse(line)
  assert.equal(typeof parsed === 'object' && parsed !== null && Object.keys(parsed).at(-1), 'chain')
  assert.match(line, /,"chain":\{"stream":"node-1","sequence":1,"previous":"A{43}","mac":"[\w-]{43}"\}\}$/)
  assert.equal((await log.verify()).isIntact, true)
})

test('everything appended in one turn goes out in one write, in the order of the calls', async (t) => {
  const log = makeAuditLog(t)
  const { files, writes } = countingWrites()
  const sink = await log.open({ files })
  const order: number[] = []
  const appended: Promise<void>[] = []
  for (let number = 1; number <= 50; number += 1) {
    // Every second one after a microtask, as handlers that answer at different depths of promises do.
    if (number % 2 === 0) await Promise.resolve()
    appended.push(sink.append(auditRecord(number)).then(() => void order.push(number)))
  }
  await Promise.all(appended)
  assert.equal(writes.length, 1)
  assert.deepEqual(
    order,
    Array.from({ length: 50 }, (_, index) => index + 1),
  )
  assert.deepEqual(recordNumbers(log.lines()), order)
  await sink.close()
})

test('an append resolves only after its record is in the file', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  for (let number = 1; number <= 20; number += 1) {
    await sink.append(auditRecord(number))
    assert.equal(recordNumbers(log.lines()).at(-1), number)
  }
  await sink.close()
})

test('the chain goes on over restarts, in the same file', async (t) => {
  const log = makeAuditLog(t)
  for (let run = 0; run < 4; run += 1) {
    const sink = await log.open()
    await appendRecords(sink, run * 3 + 1, 3)
    await sink.close()
  }
  assert.deepEqual(recordNumbers(log.lines()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  assert.equal(log.fileNames().length, 1)
  const verification = await log.verify()
  assert.equal(verification.isIntact, true)
  assert.equal(verification.records, 12)
  assert.deepEqual(verification.notes, [])
})

test('a file does not grow beyond its limit, and the chain goes on in the next', async (t) => {
  const log = makeAuditLog(t)
  const settings = { maxFileBytes: 2000 }
  for (let run = 0; run < 3; run += 1) {
    const sink = await log.open({ settings })
    for (let number = 1; number <= 10; number += 1) await sink.append(auditRecord(run * 10 + number))
    await sink.close()
  }
  const names = log.fileNames()
  assert.equal(names.length > 5, true)
  for (const name of names) assert.equal(log.read(name).length <= settings.maxFileBytes, true)
  assert.deepEqual(
    recordNumbers(log.lines()),
    Array.from({ length: 30 }, (_, index) => index + 1),
  )
  assert.equal((await log.verify()).isIntact, true)
})

test('a batch larger than a file may be is written whole', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxFileBytes: 1000 } })
  await appendRecords(sink, 1, 10)
  await appendRecords(sink, 11, 10)
  await sink.close()
  assert.equal(log.fileNames().length, 2)
  assert.equal((await log.verify()).records, 20)
})

test('a new UTC day begins a new file, named after its first record and the day', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  await appendRecords(sink, 1, 2)
  log.clock.advance(DAY_MS / 2 - 1)
  await appendRecords(sink, 3, 1)
  log.clock.advance(1)
  await appendRecords(sink, 4, 1)
  await sink.close()

  log.clock.advance(3 * DAY_MS)
  const next = await log.open()
  await appendRecords(next, 5, 1)
  await next.close()
  assert.deepEqual(log.fileNames(), [
    '0000000000000001-2026-01-05.jsonl',
    '0000000000000004-2026-01-06.jsonl',
    '0000000000000005-2026-01-09.jsonl',
  ])
  assert.equal((await log.verify()).isIntact, true)
})

test('a clock set back begins no new file', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  await appendRecords(sink, 1, 1)
  log.clock.advance(-2 * DAY_MS)
  await appendRecords(sink, 2, 1)
  await sink.close()
  assert.equal(log.fileNames().length, 1)
})

test('several streams in one folder have chains of their own', async (t) => {
  const log = makeAuditLog(t)
  const streams = ['node-1', 'node-2', 'node-3']
  const sinks = await Promise.all(streams.map((stream) => log.open({ stream, settings: { maxFileBytes: 3000 } })))
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.all(sinks.map((sink) => appendRecords(sink, turn * 5 + 1, 5)))
  }
  await Promise.all(sinks.map((sink) => sink.close()))
  const expected = Array.from({ length: 50 }, (_, index) => index + 1)
  for (const stream of streams) assert.deepEqual(recordNumbers(log.lines(stream)), expected)
  const verification = await log.verify()
  assert.equal(verification.isIntact, true)
  assert.equal(verification.records, 150)
})

test('appends from many callers stay whole lines in the order of their calls', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxFileBytes: 20_000 } })
  const called: number[] = []
  let next = 1
  const caller = async (pause: number) => {
    for (let turn = 0; turn < 20; turn += 1) {
      const number = next++
      called.push(number)
      await sink.append(auditRecord(number, { resultDescription: 'x'.repeat((number * 37) % 500) }))
      for (let step = 0; step < pause; step += 1) await Promise.resolve()
      if (pause % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: 12 }, (_, index) => caller(index)))
  await sink.close()
  const lines = log.lines()
  for (const line of lines) assert.doesNotThrow(() => JSON.parse(line))
  assert.deepEqual(recordNumbers(lines), called)
})

test('a change to a record after it was appended does not reach the file', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  const claim: Record<string, string> = { oid: 'before' }
  const appended = sink.append(auditRecord(1, { identity: { claim } }))
  claim.oid = 'after'
  await appended
  await sink.close()
  assert.match(log.lines()[0] ?? '', /"oid":"before"/)
})

test('files are for their owner only, and so is the folder of a stream', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  await appendRecords(sink, 1, 1)
  await sink.close()
  const [name = ''] = log.fileNames()
  assert.equal(statSync(join(log.folder, 'node-1')).mode & 0o777, 0o700)
  assert.equal(statSync(join(log.folder, 'node-1', name)).mode & 0o777, 0o600)
})

test('closing writes what was appended before it and refuses what comes after', async (t) => {
  const log = makeAuditLog(t)
  for (const durability of ['written', 'synced'] as const) {
    const sink = await log.open({ stream: durability, settings: { durability } })
    const appended = sink.append(auditRecord(1))
    const closing = sink.close()
    await assert.rejects(sink.append(auditRecord(2)), /closed/)
    await Promise.all([appended, closing, sink.close()])
    assert.deepEqual(recordNumbers(log.lines(durability)), [1])
    assert.equal(log.anchors.kept.get(durability)?.sequence, 1)
  }
})

test('a stream that was opened and closed without a record has no file and no anchor', async (t) => {
  const log = makeAuditLog(t)
  await using sink = await log.open()
  await sink.close()
  assert.deepEqual(log.fileNames(), [])
  assert.equal(log.anchors.writes, 0)
  assert.equal((await log.verify()).isIntact, true)
})

test('an overlong record and one too many for the queue are refused, and the others are written', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxQueuedCharacters: 1000 } })
  await assert.rejects(
    sink.append(auditRecord(1, { resultDescription: 'x'.repeat(MAX_RECORD_CHARACTERS) })),
    /too long/,
  )
  const two = [sink.append(auditRecord(2)), sink.append(auditRecord(3))]
  await assert.rejects(sink.append(auditRecord(4)), /too many/)
  await Promise.all(two)
  await sink.append(auditRecord(5))
  await sink.close()
  assert.deepEqual(recordNumbers(log.lines()), [2, 3, 5])
})

test('a stream name that is a path and a setting that is no amount are refused', async (t) => {
  const log = makeAuditLog(t)
  for (const stream of ['', '..', 'a/b', '.hidden', 'a"b', 'x'.repeat(65)]) {
    await assert.rejects(log.open({ stream }), /cannot be the name/)
  }
  for (const maxFileBytes of [0, -1, 1.5, Number.NaN]) {
    await assert.rejects(log.open({ settings: { maxFileBytes } }), /maxFileBytes/)
  }
})

test('an anchor is written on the first record, after so many records or seconds, and on close', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { anchorAfterRecords: 5, anchorAfterSeconds: 10 } })
  const anchored = () => log.anchors.kept.get('node-1')?.sequence
  await appendRecords(sink, 1, 1)
  await log.anchors.written(1)
  assert.equal(anchored(), 1)

  await appendRecords(sink, 2, 5)
  await log.anchors.written(2)
  assert.equal(anchored(), 6)

  await appendRecords(sink, 7, 1)
  log.clock.advance(9_999)
  assert.equal(log.anchors.writes, 2)
  log.clock.advance(1)
  await log.anchors.written(3)
  assert.equal(anchored(), 7)

  await appendRecords(sink, 8, 2)
  await sink.close()
  assert.equal(anchored(), 9)
  assert.deepEqual(log.problems, [])
})

test('an anchor is written when a new file was begun', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  await appendRecords(sink, 1, 1)
  await log.anchors.written(1)
  await appendRecords(sink, 2, 3)
  log.clock.advance(DAY_MS)
  await log.anchors.written(2)
  await appendRecords(sink, 5, 1)
  await log.anchors.written(3)
  assert.equal(log.anchors.kept.get('node-1')?.sequence, 5)
  await sink.close()
})

test('the file is synced before an anchor says how far it goes', async (t) => {
  const log = makeAuditLog(t)
  const events: string[] = []
  const files: AuditFileOperations = {
    ...systemFileOperations,
    async sync(fd) {
      events.push('sync')
      await systemFileOperations.sync(fd)
    },
  }
  const write = log.anchors.write.bind(log.anchors)
  log.anchors.write = async (stream, anchor) => {
    events.push('anchor')
    await write(stream, anchor)
  }
  const sink = await log.open({ files })
  await appendRecords(sink, 1, 1)
  await log.anchors.written(1)
  assert.deepEqual(events, ['sync', 'anchor'])
  await sink.close()
})

test('with synced an append resolves after the disk has it, and what came meanwhile is one batch', async (t) => {
  const log = makeAuditLog(t)
  const { files, writes } = countingWrites()
  let synced = 0
  const releases: (() => void)[] = []
  const sink = await log.open({
    settings: { durability: 'synced' },
    files: {
      ...files,
      async sync(fd) {
        await new Promise<void>((resolve) => releases.push(resolve))
        await systemFileOperations.sync(fd)
        synced += 1
      },
    },
  })
  const syncedAt: number[] = []
  const note = () => void syncedAt.push(synced)
  const first = sink.append(auditRecord(1)).then(note)
  await loopTurnsUntil(() => releases.length === 1)
  const others = [2, 3, 4].map((number) => sink.append(auditRecord(number)).then(note))
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(writes.length, 1)
  releases[0]?.()
  await first
  await loopTurnsUntil(() => releases.length === 2)
  releases[1]?.()
  await Promise.all(others)
  assert.deepEqual(syncedAt, [1, 2, 2, 2])
  assert.equal(writes.length, 2)
  const closing = sink.close()
  await loopTurnsUntil(() => releases.length === 3)
  releases[2]?.()
  await closing
})

test('a file moved away or removed under the sink is told, and records go to a new file', async (t) => {
  for (const how of ['moved', 'removed', 'folder removed']) {
    const log = makeAuditLog(t)
    const sink = await log.open()
    await appendRecords(sink, 1, 2)
    await log.anchors.written(1)
    const [name = ''] = log.fileNames()
    const path = join(log.folder, 'node-1', name)
    if (how === 'moved') renameSync(path, `${path}.moved`)
    else rmSync(how === 'removed' ? path : join(log.folder, 'node-1'), { recursive: true })
    await appendRecords(sink, 3, 2)
    await sink.close()

    assert.equal(log.problems.length, 1, how)
    assert.match(log.problems[0]?.message ?? '', /moved, removed or changed/)
    assert.equal(log.fileNames().includes('0000000000000003-2026-01-05.jsonl'), true)
    const { findings } = await log.verify()
    assert.deepEqual(
      findings.map(({ sentence }) => sentence),
      ['Records 1 to 2 are missing before this line.'],
    )
  }
})
