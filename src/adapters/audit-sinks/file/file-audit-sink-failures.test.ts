import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendRecords, auditRecord, loopTurnsUntil, makeAuditLog, recordNumbers } from './audit-log-fixture.ts'
import type { FileAuditSink } from './file-audit-sink.ts'
import { type AuditFileOperations, systemFileOperations } from './file-operations.ts'

/** File operations whose calls fail where `decide` says so; a failing write may take some of the bytes first. */
function failingFiles(decide: (operation: keyof AuditFileOperations, call: number) => 'pass' | 'fail' | number) {
  const calls = new Map<string, number>()
  const check = (operation: keyof AuditFileOperations): number | undefined => {
    const call = (calls.get(operation) ?? 0) + 1
    calls.set(operation, call)
    const decision = decide(operation, call)
    if (decision === 'fail') throw new Error(`ENOSPC: ${operation} ${call}`)
    return decision === 'pass' ? undefined : decision
  }
  const files: AuditFileOperations = {
    ...systemFileOperations,
    create(path) {
      check('create')
      return systemFileOperations.create(path)
    },
    write(fd, bytes, offset, length) {
      const part = check('write')
      return systemFileOperations.write(fd, bytes, offset, part === undefined ? length : Math.min(part, length))
    },
    truncate(fd, length) {
      check('truncate')
      systemFileOperations.truncate(fd, length)
    },
    async sync(fd) {
      check('sync')
      await systemFileOperations.sync(fd)
    },
    async syncFolder(path) {
      check('syncFolder')
      await systemFileOperations.syncFolder(path)
    },
    isUntouched(fd, path, length) {
      check('isUntouched')
      return systemFileOperations.isUntouched(fd, path, length)
    },
  }
  return files
}

/** Appends batches of three, the numbers going on whatever happens; answers the numbers that were accepted. */
async function appendBatches(sink: FileAuditSink, batches: number): Promise<number[]> {
  const accepted: number[] = []
  for (let batch = 0; batch < batches; batch += 1) {
    const numbers = [1, 2, 3].map((index) => batch * 3 + index)
    const results = await Promise.allSettled(numbers.map((number) => sink.append(auditRecord(number))))
    const fulfilled = results.filter(({ status }) => status === 'fulfilled').length
    assert.equal(fulfilled === 0 || fulfilled === 3, true, 'a batch succeeds or fails as a whole')
    if (fulfilled === 3) accepted.push(...numbers)
  }
  return accepted
}

for (const durability of ['written', 'synced'] as const) {
  test(`when the n-th file operation fails, exactly the accepted records are chained (${durability})`, async (t) => {
    for (const failing of ['create', 'write', 'sync', 'syncFolder', 'isUntouched'] as const) {
      for (let nth = 1; nth <= 6; nth += 1) {
        const log = makeAuditLog(t)
        const files = failingFiles((operation, call) => (operation === failing && call === nth ? 'fail' : 'pass'))
        const sink = await log.open({ files, settings: { durability, maxFileBytes: 3500, anchorAfterRecords: 4 } })
        const accepted = await appendBatches(sink, 8)
        // The failing call may also be the last sync, which closing tells.
        await sink.close().catch((error: unknown) => {
          assert.match(String(error), new RegExp(`${failing} ${nth}`))
        })
        const what = `${failing} ${nth}`
        assert.deepEqual(recordNumbers(log.lines()), accepted, what)
        assert.equal(accepted.length >= 21, true, `only one batch is lost: ${what}`)
        assert.equal((await log.verify()).isIntact, true, what)
      }
    }
  })
}

test('a batch that was written in part is cut back, whatever part it was', async (t) => {
  for (let part = 1; part < 1500; part += 97) {
    const log = makeAuditLog(t)
    // The second batch: some bytes, then no space left.
    const files = failingFiles((operation, call) => {
      if (operation !== 'write') return 'pass'
      return call === 2 ? part : call === 3 ? 'fail' : 'pass'
    })
    const sink = await log.open({ files })
    const accepted = await appendBatches(sink, 3)
    assert.deepEqual(accepted, [1, 2, 3, 7, 8, 9])
    assert.deepEqual(recordNumbers(log.lines()), accepted)
    await sink.close()
    const verification = await log.verify()
    assert.equal(verification.isIntact, true)
    assert.deepEqual(verification.notes, [])
  }
})

test('short writes without an error are gone on with', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ files: failingFiles((operation) => (operation === 'write' ? 100 : 'pass')) })
  assert.equal((await appendBatches(sink, 3)).length, 9)
  await sink.close()
  assert.equal((await log.verify()).records, 9)
})

test('a write that takes no bytes fails instead of going on for ever', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({
    files: failingFiles((operation, call) => (operation === 'write' && call === 1 ? 0 : 'pass')),
  })
  await assert.rejects(sink.append(auditRecord(1)), /cannot be written/)
  await sink.append(auditRecord(2))
  await sink.close()
})

test('nothing is written behind a part that cannot be cut back, until it can', async (t) => {
  const log = makeAuditLog(t)
  const files = failingFiles((operation, call) => {
    if (operation === 'write') return call === 2 ? 50 : call === 3 ? 'fail' : 'pass'
    // Once right after the failed write, then before each of the next two batches.
    return operation === 'truncate' && call <= 3 ? 'fail' : 'pass'
  })
  const sink = await log.open({ files })
  assert.deepEqual(await appendBatches(sink, 6), [1, 2, 3, 13, 14, 15, 16, 17, 18])
  await sink.close()
  assert.deepEqual(recordNumbers(log.lines()), [1, 2, 3, 13, 14, 15, 16, 17, 18])
  assert.equal((await log.verify()).isIntact, true)
})

test('every append is refused while writing fails, until a write succeeds; one problem is told', async (t) => {
  const log = makeAuditLog(t)
  let isFull = false
  const sink = await log.open({
    files: failingFiles((operation) => (operation === 'write' && isFull ? 'fail' : 'pass')),
  })
  await appendRecords(sink, 1, 2)
  isFull = true
  for (let number = 3; number <= 7; number += 1) {
    await assert.rejects(sink.append(auditRecord(number)), /'node-1' cannot be written/)
  }
  assert.equal(log.problems.length, 1)
  isFull = false
  await appendRecords(sink, 8, 2)
  isFull = true
  await assert.rejects(sink.append(auditRecord(10)))
  assert.equal(log.problems.length, 2)
  isFull = false
  await sink.close()
  assert.deepEqual(recordNumbers(log.lines()), [1, 2, 8, 9])
  assert.equal((await log.verify()).isIntact, true)
})

test('after a failed write on a new day the empty file is used, so no two files have the same number', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({
    files: failingFiles((operation, call) => (operation === 'write' && call === 1 ? 'fail' : 'pass')),
  })
  await assert.rejects(sink.append(auditRecord(1)))
  log.clock.advance(86_400_000)
  await sink.append(auditRecord(2))
  await sink.close()
  assert.equal(log.fileNames().length, 1)
  assert.equal((await log.verify()).isIntact, true)
})

test('a failing anchor is told, refuses no request and is tried again by the timer only', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({
    settings: { anchorAfterRecords: 2, anchorAfterSeconds: 10 },
    // An anchor that is tried has then failed before the next append.
    files: { ...systemFileOperations, sync: async () => undefined, syncFolder: async () => undefined },
  })
  log.anchors.fail = true
  await appendRecords(sink, 1, 1)
  await loopTurnsUntil(() => log.problems.length === 1)
  for (let number = 2; number <= 9; number += 1) await appendRecords(sink, number, 1)
  assert.equal(log.problems.length, 1)
  assert.match(log.problems[0]?.message ?? '', /anchor of the audit stream 'node-1' at record 1/)

  log.clock.advance(10_000)
  await loopTurnsUntil(() => log.problems.length === 2)
  log.anchors.fail = false
  log.clock.advance(10_000)
  await log.anchors.written(1)
  assert.equal(log.anchors.kept.get('node-1')?.sequence, 9)

  await appendRecords(sink, 10, 1)
  log.anchors.fail = true
  await sink.close()
  assert.equal(log.problems.length, 3)
  assert.equal((await log.verify().catch((error: unknown) => String(error))).toString().includes('away'), true)
})

test('no anchor is written when the file could not be synced', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({
    files: failingFiles((operation, call) => (operation === 'sync' && call === 1 ? 'fail' : 'pass')),
  })
  await appendRecords(sink, 1, 1)
  await loopTurnsUntil(() => log.problems.length === 1)
  assert.equal(log.anchors.writes, 0)
  await sink.close()
  assert.equal(log.anchors.kept.get('node-1')?.sequence, 1)
})

test('closing rejects when the files cannot be synced, and releases them all the same', async (t) => {
  const log = makeAuditLog(t)
  let isBroken = false
  let closed = 0
  const files = failingFiles((operation) => (operation === 'sync' && isBroken ? 'fail' : 'pass'))
  const sink = await log.open({
    files: {
      ...files,
      close(fd) {
        closed += 1
        systemFileOperations.close(fd)
      },
    },
  })
  await appendRecords(sink, 1, 1)
  await log.anchors.written(1)
  isBroken = true
  await assert.rejects(sink.close(), /sync/)
  assert.equal(closed, 1)
})

test('every file that was opened is closed again', async (t) => {
  const log = makeAuditLog(t)
  const opened = new Set<number>()
  const files: AuditFileOperations = {
    ...systemFileOperations,
    create(path) {
      const fd = systemFileOperations.create(path)
      opened.add(fd)
      return fd
    },
    close(fd) {
      assert.equal(opened.delete(fd), true)
      systemFileOperations.close(fd)
    },
  }
  for (const durability of ['written', 'synced'] as const) {
    const sink = await log.open({ stream: durability, files, settings: { durability, maxFileBytes: 1 } })
    assert.equal((await appendBatches(sink, 6)).length, 18)
    await sink.close()
    assert.equal(log.fileNames(durability).length, 6)
    assert.deepEqual([...opened], [])
  }
})

test('an anchor store that cannot be read at the start keeps the stream closed', async (t) => {
  const log = makeAuditLog(t)
  log.anchors.fail = true
  await assert.rejects(log.open(), /the anchor store is away/)
})
