/**
 * Where audit lines lie: `<folder>/<stream>/<first record>-<UTC day>.jsonl`, for instance
 * `node-1/0000000000000043-2026-01-05.jsonl`. The number is that of the file's first record, so names tell the order
 * and a missing file shows; the day is the one the file was begun on.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { STREAM_NAME } from '../../../domain/audit/audit-chain.ts'

export interface AuditFile {
  readonly name: string
  readonly path: string
  readonly firstSequence: number
  /** The first moment after the day the file was begun on, in milliseconds since 1970. */
  readonly dayEndMs: number
}

const DAY_MS = 86_400_000
const FILE_NAME = /^(\d{16})-(\d{4}-\d{2}-\d{2})\.jsonl$/

export function auditFile(folder: string, stream: string, firstSequence: number, nowMs: number): AuditFile {
  const day = new Date(nowMs).toISOString().slice(0, 10)
  const name = `${String(firstSequence).padStart(16, '0')}-${day}.jsonl`
  return { name, path: join(folder, stream, name), firstSequence, dayEndMs: Date.parse(day) + DAY_MS }
}

export interface StreamFiles {
  /** Oldest first. */
  readonly files: readonly AuditFile[]
  /** Names that end like an audit file's and are none. */
  readonly strange: readonly string[]
}

/** The files of one stream; none when there is no such folder. */
export async function listStreamFiles(folder: string, stream: string): Promise<StreamFiles> {
  const files: AuditFile[] = []
  const strange: string[] = []
  for (const name of await namesIn(join(folder, stream))) {
    const [, digits, day = ''] = FILE_NAME.exec(name) ?? []
    const firstSequence = Number(digits)
    const dayMs = Date.parse(day)
    if (Number.isSafeInteger(firstSequence) && !Number.isNaN(dayMs)) {
      files.push({ name, path: join(folder, stream, name), firstSequence, dayEndMs: dayMs + DAY_MS })
    } else if (name.endsWith('.jsonl')) {
      strange.push(name)
    }
  }
  files.sort((a, b) => a.firstSequence - b.firstSequence || (a.name < b.name ? -1 : 1))
  return { files, strange: strange.sort() }
}

/** The streams that have a folder, in order; undefined when the audit folder itself is not there. */
export async function listStreams(folder: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    // Other names cannot be streams: a folder at the root of a volume holds `lost+found`.
    return entries
      .filter((entry) => entry.isDirectory() && STREAM_NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort()
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new Error(`reading the audit folder ${folder}`, { cause })
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path)
  } catch (cause) {
    if (isMissing(cause)) return []
    throw new Error(`reading the audit stream folder ${path}`, { cause })
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
