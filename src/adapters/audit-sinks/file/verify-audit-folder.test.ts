import assert from 'node:assert/strict'
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MAX_LINE_BYTES } from '../../../domain/audit/audit-chain.ts'
import { MAX_REMARKS } from '../../../domain/audit/audit-verification.ts'
import { type AuditLog, appendRecords, auditRecord, makeAuditLog, TestAnchors } from './audit-log-fixture.ts'
import { openFileAuditSink } from './file-audit-sink.ts'

/** A closed stream of one file, so its anchor stands at the last record. */
async function closedLog(t: TestContext, records: number): Promise<{ log: AuditLog; name: string; lines: string[] }> {
  const log = makeAuditLog(t)
  const sink = await log.open()
  await appendRecords(sink, 1, records)
  await sink.close()
  const [name = ''] = log.fileNames()
  assert.equal((await log.verify()).isIntact, true)
  return { log, name, lines: log.lines() }
}

/** A closed stream of `files` files with two records each. */
async function closedLogOfFiles(t: TestContext, files: number): Promise<{ log: AuditLog; names: string[] }> {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxFileBytes: 1 } })
  for (let file = 0; file < files; file += 1) await appendRecords(sink, file * 2 + 1, 2)
  await sink.close()
  const names = log.fileNames()
  assert.equal(names.length, files)
  return { log, names }
}

const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

async function sentences(log: AuditLog): Promise<string[]> {
  const { isIntact, findings } = await log.verify()
  assert.equal(isIntact, findings.length === 0)
  return findings.map(({ sentence }) => sentence)
}

test('a change of any one byte is found, whatever byte it is', async (t) => {
  const { log, name } = await closedLog(t, 2)
  const bytes = log.read(name)
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (bytes[at] ?? 0) ^ (at % 2 === 0 ? 1 : 0x20)
    log.write(name, changed)
    const { findings } = await log.verify()
    assert.notEqual(findings.length, 0, `byte ${at}`)
    assert.equal(findings[0]?.stream, 'node-1')
  }
})

test('a byte put in or taken out anywhere is found', async (t) => {
  const { log, name } = await closedLog(t, 2)
  const bytes = log.read(name)
  for (let at = 0; at < bytes.length; at += 1) {
    log.write(name, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]))
    assert.equal((await log.verify()).isIntact, false, `without byte ${at}`)
    log.write(name, Buffer.concat([bytes.subarray(0, at), Buffer.from(at % 2 === 0 ? ' ' : '\n'), bytes.subarray(at)]))
    assert.equal((await log.verify()).isIntact, false, `one more before byte ${at}`)
  }
})

test('a changed line is named by stream, file and number, and the lines around it are not blamed', async (t) => {
  const { log, name, lines } = await closedLog(t, 5)
  log.write(name, text(lines.map((line, index) => (index === 2 ? line.replace('SecretGet', 'SecretSet') : line))))
  const { findings, records } = await log.verify()
  assert.deepEqual(
    findings.map(({ stream, file, line, kind }) => ({ stream, file, line, kind })),
    [{ stream: 'node-1', file: name, line: 3, kind: 'changed' }],
  )
  assert.equal(records, 4)
})

test('records removed after a changed line are found beside it', async (t) => {
  const { log, name, lines } = await closedLog(t, 6)
  log.write(name, text(lines.with(1, '{}').toSpliced(3, 1)))
  assert.deepEqual((await sentences(log)).slice(1), ['Record 4 is missing before this line.'])
})

test('each removed line is found and numbered', async (t) => {
  const { log, name, lines } = await closedLog(t, 5)
  for (let removed = 0; removed < lines.length; removed += 1) {
    log.write(name, text(lines.toSpliced(removed, 1)))
    const expected =
      removed === 4
        ? 'The stream ends with record 4, but record 5 was written: its end was cut off.'
        : `Record ${removed + 1} is missing before this line.`
    assert.deepEqual(await sentences(log), [expected])
  }
})

test('each run of removed lines is found as one', async (t) => {
  const { log, name, lines } = await closedLog(t, 6)
  log.write(name, text(lines.toSpliced(1, 3)))
  assert.deepEqual(await sentences(log), ['Records 2 to 4 are missing before this line.'])
})

test('each swapped pair of lines is found', async (t) => {
  const { log, name, lines } = await closedLog(t, 5)
  for (let a = 0; a < lines.length; a += 1) {
    for (let b = a + 1; b < lines.length; b += 1) {
      const swapped = lines.with(a, lines[b] ?? '').with(b, lines[a] ?? '')
      log.write(name, text(swapped))
      assert.equal((await log.verify()).isIntact, false, `${a} and ${b}`)
    }
  }
})

test('each line repeated at each place is found', async (t) => {
  const { log, name, lines } = await closedLog(t, 4)
  for (let from = 0; from < lines.length; from += 1) {
    for (let to = 0; to <= lines.length; to += 1) {
      log.write(name, text(lines.toSpliced(to, 0, lines[from] ?? '')))
      const { findings } = await log.verify()
      assert.equal(
        findings.some(({ kind }) => kind === 'outOfOrder'),
        true,
        `${from} at ${to}`,
      )
    }
  }
})

test('a line put in at any place is found, and only that line is blamed', async (t) => {
  const { log, name, lines } = await closedLog(t, 3)
  const other = makeAuditLog(t)
  const otherStream = await other.open({ stream: 'node-2' })
  await appendRecords(otherStream, 1, 1)
  await otherStream.close()
  const otherKey = await other.open({ stream: 'node-1', key: Buffer.alloc(32, 3) })
  await appendRecords(otherKey, 1, 1)
  await otherKey.close()
  const strangers = {
    changed: ['', '{}', 'hello', JSON.stringify(auditRecord(2)), other.lines('node-1')[0] ?? ''],
    foreign: [other.lines('node-2')[0] ?? ''],
  }
  for (const [expected, inserted] of Object.entries(strangers)) {
    for (const line of inserted) {
      for (let at = 0; at <= lines.length; at += 1) {
        log.write(name, text(lines.toSpliced(at, 0, line)))
        const { findings } = await log.verify()
        assert.deepEqual(
          findings.map(({ kind, line: number }) => [kind, number]),
          [[expected, at + 1]],
          `${line.slice(0, 20)} at ${at}`,
        )
      }
    }
  }
})

test('a cut of any number of bytes is found as far as the anchor knows, and no further', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { anchorAfterRecords: 2 } })
  await appendRecords(sink, 1, 1)
  await log.anchors.written(1)
  await appendRecords(sink, 2, 2)
  await log.anchors.written(2)
  await appendRecords(sink, 4, 1)
  // The process is gone here: record 3 is anchored, record 4 is not.
  const [name = ''] = log.fileNames()
  const bytes = log.read(name)
  const anchoredBytes = bytes.length - Buffer.byteLength(`${log.lines()[3] ?? ''}\n`)
  for (let length = 0; length < bytes.length; length += 1) {
    log.write(name, bytes.subarray(0, length))
    const { isIntact, notes, findings } = await log.verify()
    assert.equal(isIntact, length >= anchoredBytes, `${length} bytes left`)
    assert.equal(notes.length, length > 0 && bytes[length - 1] !== 10 ? 1 : 0)
    if (!isIntact) assert.match(findings.at(-1)?.sentence ?? '', /but record 3 was written: its end was cut off/)
  }
})

test('each removed file is found', async (t) => {
  const { log, names } = await closedLogOfFiles(t, 4)
  for (const [index, name] of names.entries()) {
    const bytes = log.read(name)
    rmSync(join(log.folder, 'node-1', name))
    const expected =
      index === 3
        ? 'The stream ends with record 6, but record 8 was written: its end was cut off.'
        : `Records ${index * 2 + 1} to ${index * 2 + 2} are missing before this line.`
    assert.deepEqual(await sentences(log), [expected])
    log.write(name, bytes)
  }
})

test('each emptied file is found', async (t) => {
  const { log, names } = await closedLogOfFiles(t, 3)
  for (const name of names) {
    const bytes = log.read(name)
    log.write(name, '')
    assert.equal((await log.verify()).isIntact, false, name)
    log.write(name, bytes)
  }
})

test('a file torn in the middle of a line is found when it is not the newest', async (t) => {
  const { log, names } = await closedLogOfFiles(t, 2)
  const [first = ''] = names
  log.write(first, log.read(first).subarray(0, -10))
  const { findings } = await log.verify()
  assert.deepEqual(
    findings.map(({ file, line, kind }) => [file, line, kind]),
    [[first, 2, 'changed']],
  )
})

test('files with swapped contents, a renamed one and one that is none are found', async (t) => {
  const { log, names } = await closedLogOfFiles(t, 3)
  const [first = '', second = '', third = ''] = names
  const [a, b] = [log.read(first), log.read(second)]
  log.write(first, b)
  log.write(second, a)
  assert.equal((await log.verify()).isIntact, false)
  log.write(first, a)
  log.write(second, b)

  const path = (name: string) => join(log.folder, 'node-1', name)
  const renamed = third.replace('5-', '6-')
  renameSync(path(third), path(renamed))
  assert.deepEqual(await sentences(log), ["The file's name says its first record is 6, but it is 5."])
  renameSync(path(renamed), path(third))

  writeFileSync(path('notes.jsonl'), '')
  writeFileSync(path('0000000000000001-2026-13-45.jsonl'), '')
  assert.deepEqual(
    await sentences(log),
    Array.from({ length: 2 }, () => 'The file is not one that is written here.'),
  )
})

test('an empty newest file that leaves room for records before it is found', async (t) => {
  const { log } = await closedLog(t, 2)
  log.write('0000000000000005-2026-01-05.jsonl', '')
  assert.deepEqual(await sentences(log), ['Records 3 to 4 are missing before this file.'])
})

test('a folder removed as a whole is found, and so are all of them', async (t) => {
  const { log } = await closedLog(t, 2)
  const second = await log.open({ stream: 'node-2' })
  await appendRecords(second, 1, 3)
  await second.close()
  rmSync(join(log.folder, 'node-2'), { recursive: true })
  const expected = (count: number) =>
    `The stream ends with record 0, but record ${count} was written: its end was cut off.`
  assert.deepEqual(await sentences(log), [expected(3)])
  rmSync(log.folder, { recursive: true })
  assert.deepEqual(await sentences(log), [expected(2), expected(3)])
})

test('a folder that never was cannot be verified, and an empty one is intact', async (t) => {
  const log = makeAuditLog(t)
  assert.equal((await log.verify()).isIntact, true)
  mkdirSync(join(log.folder, 'lost+found'))
  assert.deepEqual((await log.verify()).streams, [])
  rmSync(log.folder, { recursive: true })
  await assert.rejects(log.verify(), /there is no audit folder at/)
})

test('another history under the same key is found, whole or spliced in', async (t) => {
  const { log, name, lines } = await closedLog(t, 3)
  // A copy of the installation goes its own way from record 2 on.
  const copy = makeAuditLog(t)
  cpSync(join(log.folder, 'node-1'), join(copy.folder, 'node-1'), { recursive: true })
  copy.write(name, text(lines.slice(0, 1)))
  const sink = await openFileAuditSink({
    folder: copy.folder,
    stream: 'node-1',
    key: log.key,
    clock: log.clock,
    anchors: new TestAnchors(),
    onProblem: (problem) => assert.fail(problem),
  })
  await appendRecords(sink, 102, 4)
  await sink.close()
  const others = copy.lines()
  assert.equal(others.length, 5)

  log.write(name, text(others))
  assert.deepEqual(await sentences(log), ['Record 3 is not the one the anchor knows: the files are from another copy.'])
  log.write(name, text([...lines, ...others.slice(3)]))
  assert.deepEqual(await sentences(log), [
    'Record 4 does not follow the one before it: one of them is of another copy.',
  ])
  log.write(name, text([...lines.slice(0, 1), ...others.slice(1, 2), ...lines.slice(2)]))
  assert.deepEqual(await sentences(log), [
    'Record 3 does not follow the one before it: one of them is of another copy.',
  ])
})

test('records taken out on purpose are not missed, up to the number that is said', async (t) => {
  const { log, names } = await closedLogOfFiles(t, 3)
  rmSync(join(log.folder, 'node-1', names[0] ?? ''))
  const isIntact = async (through: number) => (await log.verify(new Map([['node-1', through]]))).isIntact
  assert.equal(await isIntact(2), true)
  assert.equal(await isIntact(1), false)
  assert.equal(await isIntact(3), false)
})

test('the key decides: under another one nothing is intact', async (t) => {
  const { log } = await closedLog(t, 2)
  log.key.fill(1)
  const { findings, records } = await log.verify()
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['changed', 'changed'],
  )
  assert.equal(records, 0)
})

test('files larger than what is read at a time are verified, and an overlong line is one finding', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open()
  for (let batch = 0; batch < 20; batch += 1) {
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        sink.append(
          auditRecord(batch * 10 + index, { resultDescription: 'x'.repeat((batch * 7919 + index * 104_729) % 40_000) }),
        ),
      ),
    )
  }
  await sink.close()
  const [name = ''] = log.fileNames()
  const bytes = log.read(name)
  assert.equal(bytes.length > 3 * 1024 * 1024, true)
  assert.equal((await log.verify()).records, 200)

  for (const length of [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES]) {
    log.write(name, Buffer.concat([Buffer.alloc(length, 'x'), Buffer.from('\n'), bytes]))
    const { findings, records } = await log.verify()
    assert.deepEqual(
      findings.map(({ kind, line }) => [kind, line]),
      [['changed', 1]],
    )
    assert.equal(findings[0]?.sentence.includes('longer'), length > MAX_LINE_BYTES)
    assert.equal(records, 200)
  }
})

test('a report of a ruined folder stays small and says how much it leaves off', async (t) => {
  const { log, name } = await closedLog(t, 1)
  log.write(name, Buffer.concat([log.read(name), Buffer.alloc(MAX_REMARKS + 500, '\n')]))
  const { findings, findingsLeftOff, streams } = await log.verify()
  assert.equal(findings.length, MAX_REMARKS)
  assert.equal(findingsLeftOff, 500)
  assert.equal(streams[0]?.findings, MAX_REMARKS + 500)
})

test('a folder can be verified while it is written', async (t) => {
  const log = makeAuditLog(t)
  const sink = await log.open({ settings: { maxFileBytes: 5000, anchorAfterRecords: 3 } })
  let isDone = false
  const writing = (async () => {
    try {
      for (let number = 1; number <= 300; number += 1) await sink.append(auditRecord(number))
    } finally {
      isDone = true
    }
  })()
  let rounds = 0
  while (!isDone) {
    assert.deepEqual(await sentences(log), [])
    rounds += 1
  }
  await writing
  await sink.close()
  assert.equal(rounds > 0, true)
  assert.equal((await log.verify()).records, 300)
})
