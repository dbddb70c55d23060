/**
 * Is the history of one stream what was written? The check is fed every line in the order of the files and says what is
 * wrong, holding nothing but where it stands. It knows no files: names and line numbers are only repeated in findings.
 */
import type { AuditAnchor } from './audit-anchors.ts'
import { type AuditMac, CHAIN_START, openLine } from './audit-chain.ts'

export type AuditFindingKind =
  /** A line without a good mac: changed, or put in by somebody without the key. */
  | 'changed'
  /** Records that must exist are not there. */
  | 'missing'
  /** A record that stands again, or after one that followed it. */
  | 'outOfOrder'
  /** A record written under the key, but in another history: of another stream, or of another copy of this one. */
  | 'foreign'
  /** The end of the stream, known from its anchor, is not there. */
  | 'cut'
  /** A file that no sink leaves like this. */
  | 'file'

export interface AuditRemark {
  readonly stream: string
  /** Name of the file inside the stream's folder; absent where no file is to blame. */
  readonly file?: string
  /** From 1. */
  readonly line?: number
  readonly sentence: string
}

export interface AuditFinding extends AuditRemark {
  readonly kind: AuditFindingKind
}

export interface StreamCheck {
  readonly stream: string
  readonly files: number
  /** Lines with a good mac. */
  readonly records: number
  /** The highest sequence number read; 0 when there was none. */
  readonly lastSequence: number
  /** 0 without an anchor. */
  readonly anchoredSequence: number
  readonly findings: number
}

export interface ChainCheckOptions {
  readonly stream: string
  readonly mac: AuditMac
  readonly anchor: AuditAnchor | undefined
  /** Records up to this one were taken out on purpose and are not asked for; 0 asks for all. */
  readonly archivedThrough: number
  onFinding(finding: AuditFinding): void
  /** Something to know that is no sign of tampering. */
  onNote(note: AuditRemark): void
}

const records = (from: number, to: number) =>
  from === to ? `Record ${from} is missing` : `Records ${from} to ${to} are missing`

export class ChainCheck {
  readonly #options: ChainCheckOptions
  #files = 0
  #records = 0
  #findings = 0
  #file: string | undefined
  #line = 0
  /** The sequence number that comes next, and the mac it must follow where that is known. */
  #expected: number
  #previous: string | undefined
  /** What the name of the current file says its first record is, until that record was read. */
  #namedSequence: number | undefined
  /** Lines without a good mac since the last good one: they may stand for as many records. */
  #unreadable = 0

  constructor(options: ChainCheckOptions) {
    this.#options = options
    this.#expected = options.archivedThrough + 1
    this.#previous = this.#macAt(options.archivedThrough)
  }

  /** The name of a file says its first record, so a removed file shows even when only an empty one follows it. */
  startFile(file: string, firstSequence: number): void {
    this.#files += 1
    this.#file = file
    this.#line = 0
    this.#namedSequence = firstSequence
  }

  /** One line in bytes[start, end), without its newline. */
  line(bytes: Buffer, start: number, end: number): void {
    this.#line += 1
    const link = openLine(this.#options.mac, bytes, start, end)
    if (link === undefined) {
      this.#unreadable += 1
      this.#find(
        'changed',
        'The line is not one that was written here: it was changed, or put in without the audit key.',
      )
      return
    }
    if (link.stream !== this.#options.stream) {
      this.#find('foreign', `The record belongs to the stream ${link.stream}.`)
      return
    }
    this.#records += 1
    this.#checkAnchor(link)
    const namedSequence = this.#namedSequence ?? link.sequence
    this.#namedSequence = undefined
    if (link.sequence < this.#expected) {
      this.#find('outOfOrder', `Record ${link.sequence} stands here again or too late; ${this.#expected} comes next.`)
      return
    }
    if (link.sequence > this.#expected + this.#unreadable) {
      this.#find('missing', `${records(this.#expected, link.sequence - 1)} before this line.`)
    } else if (link.sequence === this.#expected && this.#previous !== undefined && link.previous !== this.#previous) {
      this.#find(
        'foreign',
        `Record ${link.sequence} does not follow the one before it: one of them is of another copy.`,
      )
    } else if (namedSequence !== link.sequence && this.#unreadable === 0) {
      this.#find('file', `The file's name says its first record is ${namedSequence}, but it is ${link.sequence}.`)
    }
    this.#expected = link.sequence + 1
    this.#previous = link.mac
    this.#unreadable = 0
    if (link.recovered !== undefined) this.#noteRecovery(link.recovered)
  }

  /** A line longer than any that is written; its bytes are not looked at. */
  overlongLine(): void {
    this.#line += 1
    this.#unreadable += 1
    this.#find('changed', 'The line is longer than any that is written here.')
  }

  /** Says how the file ended: in the middle of a line only the newest may, after a kill or while it is written. */
  endFile({ unfinishedBytes, isNewest }: { unfinishedBytes: number; isNewest: boolean }): void {
    if (unfinishedBytes > 0) {
      this.#line += 1
      if (isNewest) {
        this.#note(
          `The last ${unfinishedBytes} bytes are no whole line: it was being written, or the process was killed.`,
        )
      } else {
        this.#unreadable += 1
        this.#find('changed', `The file ends with ${unfinishedBytes} bytes that are no whole line.`)
      }
    } else if (this.#line === 0) {
      this.#checkEmptyFile(isNewest)
    }
    this.#file = undefined
    this.#line = 0
    this.#namedSequence = undefined
  }

  /** A file of the stream's folder that cannot be one of its files. */
  strangeFile(file: string): void {
    this.#file = file
    this.#find('file', 'The file is not one that is written here.')
    this.#file = undefined
  }

  finish(): StreamCheck {
    const { anchor, stream } = this.#options
    const lastSequence = this.#expected - 1
    if (anchor !== undefined && anchor.sequence > lastSequence + this.#unreadable) {
      this.#find(
        'cut',
        `The stream ends with record ${lastSequence}, but record ${anchor.sequence} was written: its end was cut off.`,
      )
    }
    return {
      stream,
      files: this.#files,
      records: this.#records,
      lastSequence: this.#records === 0 ? 0 : lastSequence,
      anchoredSequence: anchor?.sequence ?? 0,
      findings: this.#findings,
    }
  }

  #macAt(sequence: number): string | undefined {
    if (sequence === CHAIN_START.sequence) return CHAIN_START.mac
    return sequence === this.#options.anchor?.sequence ? this.#options.anchor.mac : undefined
  }

  /** A kill right after a new file was begun leaves it empty; it must still be named after the record that is next. */
  #checkEmptyFile(isNewest: boolean): void {
    const named = this.#namedSequence ?? this.#expected
    if (!isNewest) {
      this.#find('file', 'The file is empty, but it is not the newest.')
    } else if (named > this.#expected + this.#unreadable) {
      this.#find('missing', `${records(this.#expected, named - 1)} before this file.`)
    }
  }

  #checkAnchor(found: AuditAnchor): void {
    const { anchor } = this.#options
    if (anchor !== undefined && found.sequence === anchor.sequence && found.mac !== anchor.mac) {
      this.#find(
        'foreign',
        `Record ${found.sequence} is not the one the anchor knows: the files are from another copy.`,
      )
    }
  }

  #noteRecovery({ kind, count }: { kind: string; count: number }): void {
    if (kind === 'droppedBytes') {
      this.#note(`The server started after a kill here and cut off ${count} bytes of a line that was never finished.`)
    } else {
      this.#note(`The server started here without a file of this stream, although ${count} records had been written.`)
    }
  }

  #find(kind: AuditFindingKind, sentence: string): void {
    this.#findings += 1
    this.#options.onFinding({ ...this.#place(), kind, sentence })
  }

  #note(sentence: string): void {
    this.#options.onNote({ ...this.#place(), sentence })
  }

  #place(): Omit<AuditRemark, 'sentence'> {
    return {
      stream: this.#options.stream,
      ...(this.#file === undefined ? {} : { file: this.#file }),
      ...(this.#line === 0 ? {} : { line: this.#line }),
    }
  }
}
