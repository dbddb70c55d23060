/** Turns records into chained lines, one after the other in a buffer that goes to the file in one write. */
import type { AuditAnchor } from '../../../domain/audit/audit-anchors.ts'
import {
  type AuditMac,
  chainMiddle,
  chainPrefix,
  LINE_END,
  MAC_PREFIX,
  MAX_CHAIN_BYTES,
  type RecoveryNote,
} from '../../../domain/audit/audit-chain.ts'

/** UTF-8 needs at most three bytes for what a string counts as one. */
const MAX_BYTES_PER_CHARACTER = 3
/** A larger buffer, left by an unusual turn, is let go with the next batch. */
const KEPT_BYTES = 1024 * 1024

export class LineBatch {
  readonly #mac: AuditMac
  readonly #prefix: string
  #bytes = Buffer.alloc(64 * 1024)
  #length = 0

  constructor(stream: string, mac: AuditMac) {
    this.#prefix = chainPrefix(stream)
    this.#mac = mac
  }

  /** Good until the next `fill`. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get length(): number {
    return this.#length
  }

  /** Replaces the content with these records, each a JSON object as text; answers where the chain then stands. */
  fill(records: readonly string[], from: AuditAnchor, recovered: RecoveryNote | undefined): AuditAnchor {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.alloc(KEPT_BYTES)
    let { sequence, mac } = from
    let note = recovered
    let end = 0
    for (const json of records) {
      this.#reserve(end, json.length * MAX_BYTES_PER_CHARACTER + MAX_CHAIN_BYTES)
      const bytes = this.#bytes
      const start = end
      sequence += 1
      // The record's closing brace is written over: the chain becomes its last member.
      end += bytes.write(json, start) - 1
      end += bytes.write(this.#prefix + chainMiddle(sequence, mac, note), end, 'latin1')
      mac = this.#mac.of(bytes, start, end)
      end += bytes.write(MAC_PREFIX + mac + LINE_END, end, 'latin1')
      note = undefined
    }
    this.#length = end
    return { sequence, mac }
  }

  #reserve(used: number, more: number): void {
    if (used + more <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, used + more))
    this.#bytes.copy(larger, 0, 0, used)
    this.#bytes = larger
  }
}
