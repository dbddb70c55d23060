/** The last records of all streams, for a person to look at. Nothing is verified here. */
import { listStreamFiles, listStreams } from './audit-files.ts'
import { readLastLines } from './read-lines.ts'

export const MAX_TAIL_LINES = 10_000

/**
 * Answers up to `count` lines (1 to MAX_TAIL_LINES), oldest first, without their newlines; streams are merged by their
 * records' time. Throws when there is no audit folder.
 */
export async function readAuditTail(folder: string, count: number): Promise<readonly string[]> {
  if (!Number.isSafeInteger(count) || count < 1 || count > MAX_TAIL_LINES) {
    throw new Error(`the number of records must be between 1 and ${MAX_TAIL_LINES}`)
  }
  const streams = await listStreams(folder)
  if (streams === undefined) throw new Error(`there is no audit folder at ${folder}`)
  const lines: { readonly time: string; readonly text: string }[] = []
  for (const stream of streams) {
    for (const text of await lastLinesOf(folder, stream, count)) lines.push({ time: timeOf(text), text })
  }
  // Sorting is stable, so records of one stream and time keep their order.
  lines.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  return lines.slice(-count).map(({ text }) => text)
}

async function lastLinesOf(folder: string, stream: string, count: number): Promise<readonly string[]> {
  const { files } = await listStreamFiles(folder, stream)
  const lines: string[] = []
  for (const file of files.toReversed()) {
    if (lines.length >= count) break
    const tail = await readLastLines(file.path, count - lines.length)
    lines.unshift(...tail.lines.map((line) => line.toString('utf8')))
  }
  return lines
}

/** Times are all of the same form, so they sort as text; a line that has none comes first. */
function timeOf(line: string): string {
  return /"time":"([^"]*)"/.exec(line)?.[1] ?? ''
}
