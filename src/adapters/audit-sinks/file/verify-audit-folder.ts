/** Reads every file of an audit folder, a piece at a time, and tells whether the history in it is what was written. */
import type { AuditAnchorReader } from '../../../domain/audit/audit-anchors.ts'
import { AuditMac } from '../../../domain/audit/audit-chain.ts'
import { type AuditVerification, MAX_REMARKS } from '../../../domain/audit/audit-verification.ts'
import { type AuditFinding, type AuditRemark, ChainCheck, type StreamCheck } from '../../../domain/audit/chain-check.ts'
import { listStreamFiles, listStreams } from './audit-files.ts'
import { readLines } from './read-lines.ts'

export interface VerifyAuditFolderOptions {
  readonly folder: string
  /** 32 bytes; copied, and the copy is overwritten in the end. */
  readonly key: Uint8Array
  readonly anchors: AuditAnchorReader
  /** Stream to the last record whose file was taken out on purpose; nothing up to it is asked for. */
  readonly archivedThrough?: ReadonlyMap<string, number>
}

/**
 * May run while the server writes. Throws when it cannot look: there is neither a folder nor an anchor that asks for
 * one, or a file cannot be read.
 */
export async function verifyAuditFolder(options: VerifyAuditFolderOptions): Promise<AuditVerification> {
  const { folder, key, anchors, archivedThrough } = options
  const anchored = await anchors.streams()
  const found = await listStreams(folder)
  if (found === undefined && anchored.length === 0) throw new Error(`there is no audit folder at ${folder}`)

  const findings = new Remarks<AuditFinding>()
  const notes = new Remarks<AuditRemark>()
  const streams: StreamCheck[] = []
  const mac = new AuditMac(key)
  try {
    for (const stream of [...new Set([...(found ?? []), ...anchored])].sort()) {
      // Before the files: an anchor read after them could know records that came while they were read.
      const anchor = await anchors.read(stream)
      const check = new ChainCheck({
        stream,
        mac,
        anchor,
        archivedThrough: archivedThrough?.get(stream) ?? 0,
        onFinding: (finding) => {
          findings.add(finding)
        },
        onNote: (note) => {
          notes.add(note)
        },
      })
      streams.push(await checkStream(folder, stream, check))
    }
  } finally {
    mac.destroy()
  }
  return {
    isIntact: findings.kept.length === 0,
    files: streams.reduce((sum, { files }) => sum + files, 0),
    records: streams.reduce((sum, stream) => sum + stream.records, 0),
    streams,
    findings: findings.kept,
    findingsLeftOff: findings.leftOff,
    notes: notes.kept,
    notesLeftOff: notes.leftOff,
  }
}

async function checkStream(folder: string, stream: string, check: ChainCheck): Promise<StreamCheck> {
  const { files, strange } = await listStreamFiles(folder, stream)
  for (const name of strange) check.strangeFile(name)
  for (const file of files) {
    check.startFile(file.name, file.firstSequence)
    const unfinishedBytes = await readLines(file.path, check)
    check.endFile({ unfinishedBytes, isNewest: file === files.at(-1) })
  }
  return check.finish()
}

class Remarks<R> {
  readonly kept: R[] = []
  leftOff = 0

  add(remark: R): void {
    if (this.kept.length < MAX_REMARKS) this.kept.push(remark)
    else this.leftOff += 1
  }
}
