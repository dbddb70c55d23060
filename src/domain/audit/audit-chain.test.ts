import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { AUDIT_KEY_BYTES, AuditMac, CHAIN_START, MAX_LINE_BYTES, openLine } from './audit-chain.ts'

const START = CHAIN_START.mac
const key = Buffer.from(Array.from({ length: AUDIT_KEY_BYTES }, (_, index) => index * 7))

function signedLine(covered: string, under: Uint8Array = key): Buffer {
  const mac = createHmac('sha256', under).update(covered, 'utf8').digest('base64url')
  return Buffer.from(`${covered},"mac":"${mac}"}}`, 'utf8')
}

const open = (line: Buffer) => openLine(new AuditMac(key), line, 0, line.length)
const covered = `{"time":"t","chain":{"stream":"node-1","sequence":1,"previous":"${START}"`

test('the mac is HMAC-SHA-256 for inputs of every length around the block size and beyond the first buffer', () => {
  const mac = new AuditMac(key)
  const bytes = Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 31) % 256))
  for (const length of [0, 1, 55, 56, 63, 64, 65, 127, 128, 4095, 4096, 4097, 9000, 20_000, 3]) {
    const expected = createHmac('sha256', key).update(bytes.subarray(0, length)).digest('base64url')
    assert.equal(mac.of(bytes, 0, length), expected, `length ${length}`)
  }
  assert.equal(mac.of(bytes, 10, 20), createHmac('sha256', key).update(bytes.subarray(10, 20)).digest('base64url'))
})

test('a key of another length is refused', () => {
  for (const length of [0, 16, 31, 33, 64])
    assert.throws(() => new AuditMac(new Uint8Array(length)), /must be 32 bytes/)
})

test('changing the key bytes after handing them over changes nothing', () => {
  const mine = Buffer.from(key)
  const mac = new AuditMac(mine)
  mine.fill(0)
  assert.equal(mac.of(Buffer.from('x'), 0, 1), new AuditMac(key).of(Buffer.from('x'), 0, 1))
})

test('a forgotten key makes no macs', () => {
  const mac = new AuditMac(key)
  mac.destroy()
  assert.throws(() => mac.of(Buffer.from('x'), 0, 1), /forgotten/)
})

test('a line written under the key is read with its chain', () => {
  const line = signedLine(covered)
  const link = open(line)
  assert.equal(link?.stream, 'node-1')
  assert.equal(link.sequence, 1)
  assert.equal(link.previous, CHAIN_START.mac)
  assert.equal(line.toString().includes(link.mac), true)
  assert.equal(link.recovered, undefined)
})

test('a recovery note is read', () => {
  const link = open(signedLine(`${covered},"recovered":{"droppedBytes":17}`))
  assert.deepEqual(link?.recovered, { kind: 'droppedBytes', count: 17 })
})

test('a line of another key is not read', () => {
  assert.equal(open(signedLine(covered, Buffer.alloc(32, 9))), undefined)
})

test('a line without a chain, with a broken one or that is empty is not read', () => {
  for (const text of ['', '{}', '{"time":"t"}', covered, `${covered},"mac":"short"}}`]) {
    assert.equal(open(Buffer.from(text)), undefined, text)
  }
})

test('a chain member inside the record does not stand for the one at its end', () => {
  const inner = signedLine(covered).toString()
  const text = `{"fake":${JSON.stringify(inner)},"chain":{"stream":"node-2","sequence":9,"previous":"${START}"`
  assert.equal(open(signedLine(text))?.stream, 'node-2')
  assert.equal(open(Buffer.from(`{"fake":${inner}}`)), undefined)
})

test('a line longer than any that is written is not read', () => {
  const long = `{"time":"${'x'.repeat(MAX_LINE_BYTES)}","chain":{"stream":"a","sequence":1,"previous":"${START}"`
  assert.equal(open(signedLine(long)), undefined)
})
