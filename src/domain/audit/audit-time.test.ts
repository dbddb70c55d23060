import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAuditTime } from './audit-time.ts'

test('a time has seven decimals, filled with zeros', () => {
  assert.equal(formatAuditTime(Date.UTC(2016, 0, 5, 1, 32, 1, 269)), '2016-01-05T01:32:01.2690000Z')
  assert.equal(formatAuditTime(Date.UTC(2016, 0, 5, 1, 32, 1, 7)), '2016-01-05T01:32:01.0070000Z')
  assert.equal(formatAuditTime(0), '1970-01-01T00:00:00.0000000Z')
})

test('a fraction of a millisecond fills the last four decimals', () => {
  assert.equal(formatAuditTime(Date.UTC(2016, 0, 5, 1, 32, 1, 269) + 0.5), '2016-01-05T01:32:01.2695000Z')
  assert.equal(formatAuditTime(Date.UTC(2016, 0, 5, 1, 32, 1, 999) + 0.75), '2016-01-05T01:32:01.9997500Z')
})

test('a time does not depend on the time asked for before it', () => {
  const first = Date.UTC(2026, 11, 31, 23, 59, 59, 999)
  assert.equal(formatAuditTime(first), '2026-12-31T23:59:59.9990000Z')
  assert.equal(formatAuditTime(first + 1), '2027-01-01T00:00:00.0000000Z')
  assert.equal(formatAuditTime(first), '2026-12-31T23:59:59.9990000Z')
})

test('what is no date is refused, also a second time', () => {
  assert.throws(() => formatAuditTime(Number.NaN), RangeError)
  assert.throws(() => formatAuditTime(Number.NaN), RangeError)
  assert.throws(() => formatAuditTime(Number.POSITIVE_INFINITY), RangeError)
  assert.throws(() => formatAuditTime(Number.POSITIVE_INFINITY), RangeError)
})
