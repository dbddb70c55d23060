/** Where a stream stands when its process starts, or why it must not go on. */
import type { AuditAnchor } from '../../../domain/audit/audit-anchors.ts'
import { type AuditMac, CHAIN_START, openLine, type RecoveryNote } from '../../../domain/audit/audit-chain.ts'
import { type AuditFile, listStreamFiles } from './audit-files.ts'
import { type FileTail, readLastLines } from './read-lines.ts'

export interface ChainEnd extends AuditAnchor {
  /** The file to go on in. */
  readonly newest?: { readonly file: AuditFile; readonly wholeBytes: number; readonly fileBytes: number }
  /** What the first new record has to tell. */
  readonly recovered?: RecoveryNote
}

/** The files of the stream are not what was written, so going on would hide it. The message says what to do. */
export class AuditStreamRefused extends Error {
  override readonly name = 'AuditStreamRefused'
}

/**
 * Reads the last lines only, so a start does not take longer as the log grows; `verify` reads everything.
 * Throws AuditStreamRefused when the last line was not written under this key, or when the anchor says that the end is
 * missing or another.
 */
export async function findChainEnd(options: {
  readonly folder: string
  readonly stream: string
  readonly mac: AuditMac
  readonly anchor: AuditAnchor | undefined
}): Promise<ChainEnd> {
  const { folder, stream, mac, anchor } = options
  const refuse = (finding: string, cause?: unknown) =>
    new AuditStreamRefused(
      `The audit stream '${stream}' in ${folder} cannot be gone on with: ${finding}. ` +
        "Run 'keyhaven audit verify' to see what happened. To start all the same, move the stream's folder away and " +
        'keep it: a new one goes on with the next number, and verify will say which records are missing.',
      cause === undefined ? undefined : { cause },
    )

  const { files } = await listStreamFiles(folder, stream)
  const newestFile = files.at(-1)
  if (newestFile === undefined) {
    if (anchor === undefined) return CHAIN_START
    return { ...anchor, recovered: { kind: 'missingRecords', count: anchor.sequence } }
  }

  const readTail = async (file: AuditFile): Promise<FileTail> => {
    try {
      return await readLastLines(file.path, 1)
    } catch (cause) {
      throw refuse(`the end of ${file.name} cannot be read`, cause)
    }
  }
  const newestTail = await readTail(newestFile)
  let end = CHAIN_START
  // A kill right after a file was begun leaves it without a whole line; the stream then ends in the file before it.
  const endFile = newestTail.lines.length > 0 ? newestFile : files.at(-2)
  if (endFile !== undefined) {
    const [line] = endFile === newestFile ? newestTail.lines : (await readTail(endFile)).lines
    const link = line === undefined ? undefined : openLine(mac, line, 0, line.length)
    if (link === undefined || link.stream !== stream) {
      throw refuse(`the last line of ${endFile.name} was not written under this audit key, or it was changed`)
    }
    end = { sequence: link.sequence, mac: link.mac }
  }
  if (endFile !== newestFile && newestFile.firstSequence !== end.sequence + 1) {
    throw refuse(`${newestFile.name} is empty, but record ${end.sequence + 1} comes next`)
  }
  if (anchor !== undefined && anchor.sequence > end.sequence) {
    throw refuse(`it ends with record ${end.sequence}, but record ${anchor.sequence} was written`)
  }
  if (anchor !== undefined && anchor.sequence === end.sequence && anchor.mac !== end.mac) {
    throw refuse(`record ${end.sequence} is not the one that was written last`)
  }

  const { wholeBytes, fileBytes } = newestTail
  const droppedBytes = fileBytes - wholeBytes
  return {
    ...end,
    newest: { file: newestFile, wholeBytes, fileBytes },
    ...(droppedBytes === 0 ? {} : { recovered: { kind: 'droppedBytes', count: droppedBytes } }),
  }
}
