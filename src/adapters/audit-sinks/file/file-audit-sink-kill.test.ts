import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fileAnchors, recordNumbers } from './audit-log-fixture.ts'
import { readAuditTail } from './read-audit-tail.ts'
import { verifyAuditFolder } from './verify-audit-folder.ts'

const WRITER = fileURLToPath(new URL('killed-writer.ts', import.meta.url))
const ROUNDS = 20
const KEY = Buffer.alloc(32, 0xa5)

/** Starts the writer, kills it once it has accepted so many records, and answers all it said it had accepted. */
async function acceptedUntilKilled(folder: string, firstNumber: number, killAfter: number): Promise<number[]> {
  const writer = spawn(process.execPath, [WRITER, folder, String(firstNumber), '60000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  const accepted: number[] = []
  const closed = once(writer, 'close')
  for await (const line of createInterface({ input: writer.stdout })) {
    accepted.push(Number(line))
    if (accepted.length === killAfter) writer.kill('SIGKILL')
  }
  await closed
  assert.equal(writer.signalCode, 'SIGKILL')
  assert.equal(accepted.length >= killAfter, true)
  return accepted
}

test('a killed process loses no accepted record, and the chain goes on intact', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-kill-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const auditFolder = join(folder, 'audit')
  const anchors = fileAnchors(join(folder, 'anchor'), 'node-1')
  const everAccepted: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    everAccepted.push(...(await acceptedUntilKilled(folder, round * 100_000, 1 + ((round * 53) % 211))))
    const { findings } = await verifyAuditFolder({ folder: auditFolder, key: KEY, anchors })
    assert.deepEqual(findings, [], `round ${round}`)
  }
  const written = new Set(recordNumbers(await readAuditTail(auditFolder, 10_000)))
  assert.deepEqual(
    everAccepted.filter((number) => !written.has(number)),
    [],
  )
})
