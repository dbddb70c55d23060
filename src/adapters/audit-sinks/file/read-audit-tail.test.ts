import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { appendRecords, auditRecord, makeAuditLog, recordNumbers } from './audit-log-fixture.ts'
import { MAX_TAIL_LINES, readAuditTail } from './read-audit-tail.ts'

test('the tail goes back over files and holds the last records, oldest first', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxFileBytes: 2000 } })
  for (let number = 1; number <= 20; number += 1) await sink.append(auditRecord(number))
  await sink.close()
  assert.deepEqual(recordNumbers(await readAuditTail(log.folder, 1)), [20])
  assert.deepEqual(recordNumbers(await readAuditTail(log.folder, 7)), [14, 15, 16, 17, 18, 19, 20])
  assert.equal((await readAuditTail(log.folder, 1000)).length, 20)
})

test('streams are merged by the time of their records', async (t) => {
  const log = makeAuditLog(t)
  const [odd, even] = await Promise.all([log.open({ stream: 'odd' }), log.open({ stream: 'even' })])
  for (let number = 1; number <= 9; number += 1) await (number % 2 === 1 ? odd : even).append(auditRecord(number))
  await Promise.all([odd.close(), even.close()])
  assert.deepEqual(recordNumbers(await readAuditTail(log.folder, 5)), [5, 6, 7, 8, 9])
})

test('lines longer than what is read at a time are whole, and an unfinished one is left out', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  for (let number = 1; number <= 6; number += 1) {
    await sink.append(auditRecord(number, { resultDescription: 'ü'.repeat(100_000 * (number % 3)) }))
  }
  await sink.close()
  const [name = ''] = log.fileNames()
  const lines = log.lines()
  log.write(name, Buffer.concat([log.read(name), Buffer.from('{"time":"unfinished')]))
  for (let count = 1; count <= 6; count += 1) {
    assert.deepEqual(await readAuditTail(log.folder, count), lines.slice(-count))
  }
})

test('an empty stream has no tail, and a folder that is not there cannot be read', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  assert.deepEqual(await readAuditTail(log.folder, 5), [])
  await appendRecords(sink, 1, 1)
  await sink.close()
  rmSync(log.folder, { recursive: true })
  await assert.rejects(readAuditTail(log.folder, 5), /there is no audit folder at/)
})

test('a number of records that is none or too many is refused', async (t) => {
  const log = makeAuditLog(t)
  for (const count of [0, -1, 1.5, Number.NaN, MAX_TAIL_LINES + 1]) {
    await assert.rejects(readAuditTail(log.folder, count), /between 1 and/)
  }
})
