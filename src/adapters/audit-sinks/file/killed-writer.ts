/**
 * The process that the kill test kills. It writes audit records as fast as it can and says on standard output which of
 * them were accepted: `FOLDER FIRST_NUMBER MAX_FILE_BYTES`.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../ports/clock.ts'
import { auditRecord, fileAnchors } from './audit-log-fixture.ts'
import { openFileAuditSink } from './file-audit-sink.ts'

const [folder = '', firstNumber, maxFileBytes] = process.argv.slice(2)

const sink = await openFileAuditSink({
  folder: join(folder, 'audit'),
  stream: 'node-1',
  key: Buffer.alloc(32, 0xa5),
  clock: systemClock,
  settings: { maxFileBytes: Number(maxFileBytes), anchorAfterRecords: 50 },
  anchors: fileAnchors(join(folder, 'anchor'), 'node-1'),
  onProblem: (problem) => {
    throw problem
  },
})

let next = Number(firstNumber)

async function client(): Promise<never> {
  for (;;) {
    const number = next++
    await sink.append(auditRecord(number, { resultDescription: 'x'.repeat((number * 37) % 4000) }))
    writeSync(1, `${number}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, client))
