/**
 * How a record of the audit log is tied to the one before it.
 *
 * A line is the record's JSON with one more member at its end:
 *
 *     {"time":"…",…,"chain":{"stream":"node-1","sequence":42,"previous":"…","mac":"…"}}
 *
 * `mac` is HMAC-SHA-256, under the audit key, over the bytes of the line from its start up to the comma before `"mac"`.
 * It so covers the record exactly as written, the stream, the sequence number and the previous record's mac; nobody
 * without the key can change, drop, repeat, reorder or add a line inside the chain without being seen.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { AuditAnchor } from './audit-anchors.ts'

export const AUDIT_KEY_BYTES = 32
/** A line without its newline. Far above what request limits let into a record; it bounds what reading has to hold. */
export const MAX_LINE_BYTES = 1024 * 1024
/** One process writes one stream; its name is also its folder's name. */
export const STREAM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** Most bytes that the chain member, the closing brace and the newline add to a record. */
export const MAX_CHAIN_BYTES = 384

/** What the first record of a stream follows. */
export const CHAIN_START: AuditAnchor = { sequence: 0, mac: 'A'.repeat(43) }

/**
 * What the sink found when it started, told by the first record after it: the bytes of a torn line it cut off, or how
 * many records had been written although no file of the stream was there.
 */
export interface RecoveryNote {
  readonly kind: 'droppedBytes' | 'missingRecords'
  readonly count: number
}

/** The chain member of one line. */
export interface ChainLink extends AuditAnchor {
  readonly stream: string
  readonly previous: string
  readonly recovered?: RecoveryNote
}

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
const FIRST_ROOM_BYTES = 4096

/**
 * HMAC-SHA-256 (RFC 2104) under one key, built from two one-shot hashes: setting up the library's HMAC object costs
 * more than hashing a record, and a record is all there is to authenticate at a time. A test holds it to `createHmac`.
 */
export class AuditMac {
  #inner = Buffer.alloc(BLOCK_BYTES + FIRST_ROOM_BYTES)
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)
  #destroyed = false

  /** Refuses a key that is not AUDIT_KEY_BYTES long. The key is copied. */
  constructor(key: Uint8Array) {
    if (key.length !== AUDIT_KEY_BYTES) {
      throw new Error(`the audit key must be ${AUDIT_KEY_BYTES} bytes, not ${key.length}`)
    }
    for (let index = 0; index < BLOCK_BYTES; index += 1) {
      const keyByte = key[index] ?? 0
      this.#inner[index] = keyByte ^ 0x36
      this.#outer[index] = keyByte ^ 0x5c
    }
  }

  /** The mac of bytes[start, end), base64url without padding: 43 characters. */
  of(bytes: Buffer, start: number, end: number): string {
    if (this.#destroyed) throw new Error('the audit key was already forgotten')
    const total = BLOCK_BYTES + end - start
    if (total > this.#inner.length) {
      const larger = Buffer.alloc(total * 2)
      this.#inner.copy(larger, 0, 0, BLOCK_BYTES)
      this.#inner.fill(0)
      this.#inner = larger
    }
    bytes.copy(this.#inner, BLOCK_BYTES, start, end)
    const digest = hash('sha256', this.#inner.subarray(0, total), 'binary')
    this.#outer.write(digest, BLOCK_BYTES, 'latin1')
    return hash('sha256', this.#outer, 'base64url')
  }

  /** Compares in constant time. */
  matches(mac: string, bytes: Buffer, start: number, end: number): boolean {
    const expected = Buffer.from(this.of(bytes, start, end), 'latin1')
    const found = Buffer.from(mac, 'latin1')
    return expected.length === found.length && timingSafeEqual(expected, found)
  }

  /** Overwrites the key; `of` throws from then on. */
  destroy(): void {
    this.#destroyed = true
    this.#inner.fill(0)
    this.#outer.fill(0)
  }
}

/** The start of the chain member up to the sequence number: the same for all lines of a stream. */
export function chainPrefix(stream: string): string {
  return `,"chain":{"stream":"${stream}","sequence":`
}

/** The rest of what the mac covers, from the sequence number on. */
export function chainMiddle(sequence: number, previous: string, recovered: RecoveryNote | undefined): string {
  const note = recovered === undefined ? '' : `,"recovered":{"${recovered.kind}":${recovered.count}}`
  return `${sequence},"previous":"${previous}"${note}`
}

export const MAC_PREFIX = ',"mac":"'
export const LINE_END = '"}}\n'

/** Bytes after what the mac covers, without the newline. */
const UNCOVERED_BYTES = MAC_PREFIX.length + CHAIN_START.mac.length + LINE_END.length - 1

const CHAIN_MEMBER =
  /,"chain":\{"stream":"([A-Za-z0-9._-]{1,64})","sequence":([1-9]\d{0,15}),"previous":"([\w-]{43})"(?:,"recovered":\{"(droppedBytes|missingRecords)":(\d{1,16})\})?,"mac":"([\w-]{43})"\}\}$/

/**
 * Reads the line in bytes[start, end), newline excluded, and checks its mac. Answers undefined for a line that was not
 * written under this key, whatever it looks like.
 */
export function openLine(mac: AuditMac, bytes: Buffer, start: number, end: number): ChainLink | undefined {
  if (end - start > MAX_LINE_BYTES) return undefined
  const match = CHAIN_MEMBER.exec(bytes.toString('latin1', Math.max(start, end - MAX_CHAIN_BYTES), end))
  if (match === null) return undefined
  const [, stream = '', sequence, previous = '', noteKind, noteCount, lineMac = ''] = match
  if (!mac.matches(lineMac, bytes, start, end - UNCOVERED_BYTES)) return undefined
  const link = { stream, sequence: Number(sequence), previous, mac: lineMac }
  if (noteKind !== 'droppedBytes' && noteKind !== 'missingRecords') return link
  return { ...link, recovered: { kind: noteKind, count: Number(noteCount) } }
}
