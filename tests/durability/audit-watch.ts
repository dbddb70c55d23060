/** Reads what is new in the audit files of a data folder, to see that every answered request is on record. */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'

const REQUEST_ID = /"requestId":"([0-9a-f-]{36})"/g

export interface AuditWatch {
  /** Answers those of the request ids that are not on record exactly once. */
  missing(requestIds: Iterable<string>): readonly string[]
}

export function watchAudit(dataFolder: string): AuditWatch {
  const folder = join(dataFolder, 'audit')
  const offsets = new Map<string, number>()
  const counts = new Map<string, number>()

  function readNew(path: string): void {
    const fd = openSync(path, 'r')
    try {
      const from = offsets.get(path) ?? 0
      const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from))
      readSync(fd, bytes, 0, bytes.byteLength, from)
      // A line that is still being written, or was torn by a kill, is left for the next time.
      const whole = bytes.lastIndexOf(10) + 1
      offsets.set(path, from + whole)
      for (const [, id = ''] of bytes.toString('utf8', 0, whole).matchAll(REQUEST_ID)) {
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
    } finally {
      closeSync(fd)
    }
  }

  return {
    missing(requestIds) {
      const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
      for (const name of files) if (name.endsWith('.jsonl')) readNew(join(folder, name))
      return [...requestIds].filter((id) => counts.get(id) !== 1)
    },
  }
}
