import { randomFillSync, randomUUID } from 'node:crypto'

/** Randomness comes through this port, so tests can repeat it. Only the system's generator is used outside tests. */
export interface Random {
  bytes(count: number): Uint8Array
  /** A random UUID, RFC 9562 version 4, lower case with dashes. */
  uuid(): string
}

/** Small requests are served from a block, because asking the generator costs far more than copying. */
const BLOCK_BYTES = 8_192
const MAX_FROM_BLOCK = 64
const block = new Uint8Array(BLOCK_BYTES)
let used = BLOCK_BYTES

export const systemRandom: Random = {
  bytes(count) {
    if (count > MAX_FROM_BLOCK) return randomFillSync(new Uint8Array(count))
    if (used + count > BLOCK_BYTES) {
      randomFillSync(block)
      used = 0
    }
    const bytes = block.slice(used, used + count)
    // What was handed out is in the caller's hands only.
    block.fill(0, used, used + count)
    used += count
    return bytes
  },
  uuid: () => randomUUID(),
}
