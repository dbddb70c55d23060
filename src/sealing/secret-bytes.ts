import { inspect } from 'node:util'

/**
 * Bytes that must not be seen: secret values and private keys. They print, stringify and inspect as `[secret]`; the one
 * way out is `reveal()`, so a search for it finds every place.
 */
export class SecretBytes {
  readonly #bytes: Buffer
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  static fromText(text: string): SecretBytes {
    return new SecretBytes(Buffer.from(text, 'utf8'))
  }
  get byteLength(): number {
    return this.#bytes.byteLength
  }
  /** The bytes themselves, not a copy. */
  reveal(): Buffer {
    return this.#bytes
  }
  revealText(): string {
    return this.#bytes.toString('utf8')
  }
  /** Overwrites the bytes; nothing can be revealed afterwards but zeros. */
  destroy(): void {
    this.#bytes.fill(0)
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}
