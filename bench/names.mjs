// Names and values of the secrets the benchmarks make. Both follow from a number, so that a process that reads can tell
// what another one wrote without passing a million names around.
import { createHash } from 'node:crypto'

/** 24 hexadecimal digits, spread evenly, so neighbours by number are far apart in any ordered index. */
export function secretName(series, number) {
  return createHash('sha256').update(`${series}:${number}`).digest('hex').slice(0, 24)
}

/** 64 characters: about the size of a password or an access key. */
export function secretValue(name, sequence = 0) {
  return `value-${sequence}-of-${name}-`.padEnd(64, '0123456789abcdef')
}
