/** Reads files of lines forwards and backwards, holding only a piece of them. */
import { type FileHandle, open } from 'node:fs/promises'
import { MAX_LINE_BYTES } from '../../../domain/audit/audit-chain.ts'

const CHUNK_BYTES = 256 * 1024
const NEWLINE = 10

export interface LineReader {
  /** The line in bytes[start, end), without its newline; the bytes are only good during the call. */
  line(bytes: Buffer, start: number, end: number): void
  /** Stands for a line of more than MAX_LINE_BYTES. */
  overlongLine(): void
}

/** Hands over every line from the start of a file and answers how many bytes follow the last newline. */
export async function readLines(path: string, reader: LineReader): Promise<number> {
  const handle = await open(path, 'r')
  try {
    const bytes = Buffer.alloc(MAX_LINE_BYTES + CHUNK_BYTES)
    let held = 0
    let skippedBytes = 0
    for (;;) {
      const { bytesRead } = await handle.read(bytes, held, bytes.length - held, null)
      if (bytesRead === 0) return skippedBytes + held
      const filled = bytes.subarray(0, held + bytesRead)
      let start = 0
      for (let end = filled.indexOf(NEWLINE, held); end !== -1; end = filled.indexOf(NEWLINE, start)) {
        if (skippedBytes > 0 || end - start > MAX_LINE_BYTES) reader.overlongLine()
        else reader.line(filled, start, end)
        skippedBytes = 0
        start = end + 1
      }
      held = filled.length - start
      if (held > MAX_LINE_BYTES) {
        skippedBytes += held
        held = 0
      }
      bytes.copyWithin(0, start, start + held)
    }
  } finally {
    await handle.close()
  }
}

export interface FileTail {
  /** The last whole lines, oldest first, without their newlines. */
  readonly lines: readonly Buffer[]
  /** Offset just behind the last newline. */
  readonly wholeBytes: number
  readonly fileBytes: number
}

/** Reads the last `count` whole lines. Throws when they are longer than any that is written here. */
export async function readLastLines(path: string, count: number): Promise<FileTail> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const wholeBytes = await findLastNewline(handle, size)
    let start = wholeBytes
    let newlines = 0
    const chunks: Buffer[] = []
    // The newline before the first wanted line ends the search, hence one more than there are lines.
    while (start > 0 && newlines <= count) {
      if (wholeBytes - start > count * (MAX_LINE_BYTES + 1)) throw new Error(`${path} has lines that are too long`)
      const chunk = await readChunkBefore(handle, start)
      for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) newlines += 1
      chunks.unshift(chunk)
      start -= chunk.length
    }
    const lines: Buffer[] = []
    const bytes = Buffer.concat(chunks)
    for (let from = 0, to = bytes.indexOf(NEWLINE); to !== -1; from = to + 1, to = bytes.indexOf(NEWLINE, from)) {
      lines.push(bytes.subarray(from, to))
    }
    // Without the start of the file, the first piece is the end of a line that was not asked for.
    return { lines: lines.slice(-count), wholeBytes, fileBytes: size }
  } finally {
    await handle.close()
  }
}

async function findLastNewline(handle: FileHandle, size: number): Promise<number> {
  let end = size
  while (end > 0) {
    const chunk = await readChunkBefore(handle, end)
    const at = chunk.lastIndexOf(NEWLINE)
    if (at !== -1) return end - chunk.length + at + 1
    end -= chunk.length
  }
  return 0
}

async function readChunkBefore(handle: FileHandle, end: number): Promise<Buffer> {
  const length = Math.min(CHUNK_BYTES, end)
  const chunk = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(chunk, filled, length - filled, end - length + filled)
    if (bytesRead === 0) throw new Error('the file became shorter while it was read')
    filled += bytesRead
  }
  return chunk
}
