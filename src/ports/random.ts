import { randomFillSync, randomUUID } from 'node:crypto'

/** Randomness comes through this port, so tests can repeat it. Only the system's generator is used outside tests. */
export interface Random {
  bytes(count: number): Uint8Array
  /** A random UUID, RFC 9562 version 4, lower case with dashes. */
  uuid(): string
}

export const systemRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
  uuid: () => randomUUID(),
}
