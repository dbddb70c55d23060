import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { format, formatWithOptions, inspect } from 'node:util'
import { pino } from 'pino'
import { SecretBytes } from './secret-bytes.ts'

const TEXT = 'correct-horse-battery'
const FORMS = [TEXT, ...(['base64', 'hex'] as const).map((form) => Buffer.from(TEXT).toString(form))]
/** How inspect shows the bytes of a buffer. */
const AS_BYTES = [...Buffer.from(TEXT)].map((byte) => byte.toString(16)).join(' ')
const AS_NUMBERS = [...Buffer.from(TEXT)].slice(0, 4)

function assertHidden(shown: string): void {
  for (const form of [...FORMS, AS_BYTES, AS_NUMBERS.join(','), AS_NUMBERS.join(', ')]) {
    assert.ok(!shown.includes(form), shown)
  }
}

describe('secret bytes', () => {
  test('show nothing of themselves when they are printed, joined, stringified or inspected', () => {
    const secret = SecretBytes.fromText(TEXT)
    const holder = { secret, deep: { list: [secret], map: new Map([['key', secret]]) } }
    for (const shown of [
      String(secret),
      `${secret}`,
      [secret, 'x'].join(),
      JSON.stringify(secret),
      JSON.stringify(holder),
      inspect(secret),
      inspect(holder, { depth: null, showHidden: true, getters: true, customInspect: true }),
      inspect(secret, { customInspect: false, showHidden: true, depth: null }),
      format('%s %o %O %j', secret, secret, holder, secret),
      formatWithOptions({ showHidden: true }, '%o', holder),
      JSON.stringify({ ...secret }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify(structuredClone(secret)),
    ]) {
      assertHidden(shown)
    }
    assert.equal(String(secret), '[secret]')
    assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}')
  })

  test('show nothing of themselves in an error or a log line', () => {
    const secret = SecretBytes.fromText(TEXT)
    const error = Object.assign(new Error(`failed on ${secret}`, { cause: secret }), { secret })
    assertHidden(inspect(error, { depth: null, showHidden: true }))
    let logged = ''
    const log = pino({ level: 'debug' }, { write: (line: string) => (logged += line) })
    log.debug({ err: error, secret, nested: { secret } }, 'something about %s and %j', secret, secret)
    assert.ok(logged.length > 0)
    assertHidden(logged)
  })

  test('are given out by reveal only, as they were given in', () => {
    const secret = SecretBytes.fromText('Grüße, 世界')
    assert.equal(secret.revealText(), 'Grüße, 世界')
    assert.deepEqual(secret.reveal(), Buffer.from('Grüße, 世界'))
    assert.equal(secret.byteLength, 15)
    const bytes = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4)
    assert.deepEqual([...new SecretBytes(bytes).reveal()], [1, 2, 3])
  })

  test('are zeros once they were destroyed', () => {
    const bytes = Buffer.from(TEXT)
    const secret = new SecretBytes(bytes)
    secret.destroy()
    assert.ok(bytes.every((byte) => byte === 0))
    assert.ok(secret.reveal().every((byte) => byte === 0))
  })
})
