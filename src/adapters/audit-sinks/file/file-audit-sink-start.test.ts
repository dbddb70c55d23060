import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AuditLog, appendRecords, makeAuditLog, recordNumbers, TestClock } from './audit-log-fixture.ts'
import { AuditStreamRefused } from './chain-end.ts'
import { openFileAuditSink } from './file-audit-sink.ts'

/** Writes records 1 to `count` and closes. Without an anchor, as after a kill before the first one was written. */
async function written(
  log: AuditLog,
  count: number,
  options: { anchored: boolean },
): Promise<{ name: string; bytes: Buffer }> {
  const sink = await log.open()
  await appendRecords(sink, 1, count)
  await sink.close()
  if (!options.anchored) log.anchors.kept.clear()
  const [name = ''] = log.fileNames()
  return { name, bytes: log.read(name) }
}

test('a last line torn at any byte is cut off and told in the next record', async (t) => {
  const log = makeAuditLog(t)
  const { name, bytes } = await written(log, 2, { anchored: false })
  const wholeBytes = bytes.indexOf(10) + 1
  for (let length = wholeBytes + 1; length < bytes.length; length += 1) {
    log.anchors.kept.clear()
    log.write(name, bytes.subarray(0, length))
    const sink = await log.open()
    await appendRecords(sink, 3, 1)
    await appendRecords(sink, 4, 1)
    await sink.close()
    assert.deepEqual(recordNumbers(log.lines()), [1, 3, 4])
    const [, second = '', third = ''] = log.lines()
    assert.equal(second.includes(`,"recovered":{"droppedBytes":${length - wholeBytes}},"mac":`), true)
    assert.equal(third.includes('recovered'), false)
  }
  const verification = await log.verify()
  assert.equal(verification.isIntact, true)
  assert.deepEqual(
    verification.notes.map(({ line, sentence }) => [line, /cut off \d+ bytes/.test(sentence)]),
    [[2, true]],
  )
})

test('a torn first line leaves an empty file that is gone on in', async (t) => {
  const log = makeAuditLog(t)
  const { name, bytes } = await written(log, 1, { anchored: false })
  log.write(name, bytes.subarray(0, 40))
  const sink = await log.open()
  await appendRecords(sink, 5, 1)
  await sink.close()
  assert.deepEqual(recordNumbers(log.lines()), [5])
  assert.equal(log.lines()[0]?.includes('"sequence":1,'), true)
  assert.equal((await log.verify()).isIntact, true)
})

test('a torn tail of many bytes without a newline is cut off', async (t) => {
  const log = makeAuditLog(t)
  const { name, bytes } = await written(log, 2, { anchored: true })
  log.write(name, Buffer.concat([bytes, Buffer.alloc(3_000_000)]))
  const sink = await log.open()
  await appendRecords(sink, 3, 1)
  await sink.close()
  assert.deepEqual(recordNumbers(log.lines()), [1, 2, 3])
  assert.equal((await log.verify()).isIntact, true)
})

test('an empty newest file, left by a kill right after it was begun, is gone on in', async (t) => {
  for (const torn of ['', '{"time":"torn']) {
    const log = makeAuditLog(t)
    await written(log, 2, { anchored: true })
    log.write('0000000000000003-2026-01-05.jsonl', torn)
    assert.equal((await log.verify()).isIntact, true)
    const sink = await log.open()
    await appendRecords(sink, 3, 1)
    await sink.close()
    assert.equal(log.fileNames().length, 2)
    assert.deepEqual(recordNumbers(log.lines()), [1, 2, 3])
    assert.equal((await log.verify()).isIntact, true)
  }
})

test('records behind the last anchor, which a kill leaves, are gone on from', async (t) => {
  const log = makeAuditLog(t)
  // Its clock stands still, like that of a process that is gone; nothing is closed.
  const killed = await openFileAuditSink({
    folder: log.folder,
    stream: 'node-1',
    key: log.key,
    clock: new TestClock(),
    anchors: log.anchors,
    onProblem: (problem) => assert.fail(problem),
  })
  await appendRecords(killed, 1, 1)
  await log.anchors.written(1)
  await appendRecords(killed, 2, 3)
  const next = await log.open()
  log.clock.advance(10_000)
  await log.anchors.written(2)
  assert.equal(log.anchors.kept.get('node-1')?.sequence, 4)
  await next.close()
})

const refusals: Record<string, { spoil(log: AuditLog, name: string, bytes: Buffer): void; why: RegExp }> = {
  'a changed last line': {
    spoil: (log, name, bytes) => {
      const changed = Buffer.from(bytes)
      changed[bytes.length - 200] = 0x58
      log.write(name, changed)
    },
    why: /last line of 0000000000000001-2026-01-05.jsonl was not written under this audit key/,
  },
  'a line of somebody else at the end': {
    spoil: (log, name, bytes) => {
      log.write(name, Buffer.concat([bytes, Buffer.from('{"time":"now"}\n')]))
    },
    why: /last line .* was not written under this audit key/,
  },
  'a cut end that an anchor knows': {
    spoil: (log, name, bytes) => {
      log.write(name, bytes.subarray(0, bytes.indexOf(10) + 1))
    },
    why: /ends with record 1, but record 2 was written/,
  },
  'a newest file emptied': {
    spoil: (log, name) => {
      log.write(name, '')
    },
    why: /ends with record 0, but record 2 was written/,
  },
  'an empty file that is named after a later record': {
    spoil: (log) => {
      log.write('0000000000000009-2026-01-05.jsonl', '')
    },
    why: /0000000000000009-2026-01-05.jsonl is empty, but record 3 comes next/,
  },
  'an anchor of another history': {
    spoil: (log) => {
      log.anchors.kept.set('node-1', { sequence: 2, mac: 'B'.repeat(43) })
    },
    why: /record 2 is not the one that was written last/,
  },
  'the folder of another stream under this name': {
    spoil: (log) => {
      log.anchors.kept.clear()
      cpSync(join(log.folder, 'node-1'), join(log.folder, 'node-2'), { recursive: true })
      rmSync(join(log.folder, 'node-1'), { recursive: true })
      renameSync(join(log.folder, 'node-2'), join(log.folder, 'node-1'))
      const [name = ''] = log.fileNames()
      log.write(name, log.read(name).toString().replaceAll('"node-1"', '"node-9"'))
    },
    why: /last line .* was not written/,
  },
}

for (const [name, { spoil, why }] of Object.entries(refusals)) {
  test(`the stream is not gone on with after ${name}, and the refusal says what to do`, async (t) => {
    const log = makeAuditLog(t)
    const file = await written(log, 2, { anchored: true })
    spoil(log, file.name, file.bytes)
    await assert.rejects(log.open(), (error: unknown) => {
      assert.equal(error instanceof AuditStreamRefused, true)
      assert.match(String(error), why)
      assert.match(String(error), /keyhaven audit verify/)
      assert.match(String(error), /move the stream's folder away/)
      return true
    })
    assert.equal((await log.verify()).isIntact, false)
  })
}

test('a stream written by another stream of the same key is refused under this name', async (t) => {
  const log = makeAuditLog(t)
  await written(log, 2, { anchored: false })
  renameSync(join(log.folder, 'node-1'), join(log.folder, 'node-2'))
  await assert.rejects(log.open({ stream: 'node-2' }), AuditStreamRefused)
})

test('another audit key is refused', async (t) => {
  const log = makeAuditLog(t)
  await written(log, 2, { anchored: true })
  await assert.rejects(log.open({ key: Buffer.alloc(32, 1) }), AuditStreamRefused)
  await assert.rejects(log.open({ key: Buffer.alloc(16, 1) }), /must be 32 bytes/)
})

test('after the folder was moved away the stream goes on with the next number, and verify tells', async (t) => {
  const log = makeAuditLog(t)
  await written(log, 3, { anchored: true })
  const away = join(log.folder, '..', `${log.folder.split('/').at(-1) ?? ''}-away`)
  renameSync(join(log.folder, 'node-1'), away)
  t.after(() => {
    rmSync(away, { recursive: true, force: true })
  })
  const sink = await log.open()
  await appendRecords(sink, 4, 2)
  await sink.close()
  assert.equal(log.problems.length, 1)
  assert.match(
    log.problems[0]?.message ?? '',
    /no file of the audit stream 'node-1' is there, but 3 records were written/,
  )
  const [first = ''] = log.lines()
  assert.match(first, /"sequence":4,.*"recovered":\{"missingRecords":3\}/)

  const verification = await log.verify()
  assert.deepEqual(
    verification.findings.map(({ kind, sentence }) => [kind, sentence]),
    [['missing', 'Records 1 to 3 are missing before this line.']],
  )
  assert.match(verification.notes[0]?.sentence ?? '', /although 3 records had been written/)
  assert.equal((await log.verify(new Map([['node-1', 3]]))).isIntact, true)

  cpSync(away, join(log.folder, 'node-1'), { recursive: true })
  assert.equal((await log.verify()).isIntact, true)
})
