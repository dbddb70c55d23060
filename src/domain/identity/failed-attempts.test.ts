import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroupOf, FailedAttempts } from './failed-attempts.ts'
import {
  FAILURE_PER_ADDRESS_FORGIVEN_MS,
  FAILURE_PER_SUBJECT_FORGIVEN_MS,
  KNOWN_ADDRESS_MS,
  MAX_ATTEMPT_ENTRIES,
  MAX_FAILURES_PER_ADDRESS,
  MAX_FAILURES_PER_SUBJECT,
} from './limits.ts'

const NOW = 1_000_000_000_000

function fail(attempts: FailedAttempts, subject: string, address: string, times: number, nowMs = NOW): void {
  for (let done = 0; done < times; done += 1) attempts.presumeFailed({ subject, address }, nowMs)
}

/** As many failures from as many addresses as the subject as a whole may have. */
function failEverywhere(attempts: FailedAttempts, subject: string): void {
  for (let at = 0; at < MAX_FAILURES_PER_SUBJECT; at += 1) fail(attempts, subject, `198.51.100.${at}`, 1)
}

test('an address is blocked after its failures, for as long as one takes to be forgiven', () => {
  const attempts = new FailedAttempts()
  const attempt = { subject: 'a', address: '192.0.2.1' }
  fail(attempts, 'a', attempt.address, MAX_FAILURES_PER_ADDRESS - 1)
  assert.equal(attempts.blockedForMs(attempt, NOW), 0)
  fail(attempts, 'a', attempt.address, 5)
  assert.equal(attempts.blockedForMs(attempt, NOW), FAILURE_PER_ADDRESS_FORGIVEN_MS)
  assert.equal(attempts.blockedForMs(attempt, NOW + FAILURE_PER_ADDRESS_FORGIVEN_MS), 0)
})

test('neither another address nor another subject is blocked with it', () => {
  const attempts = new FailedAttempts()
  fail(attempts, 'a', '192.0.2.1', MAX_FAILURES_PER_ADDRESS)
  assert.equal(attempts.blockedForMs({ subject: 'a', address: '192.0.2.2' }, NOW), 0)
  assert.equal(attempts.blockedForMs({ subject: 'b', address: '192.0.2.1' }, NOW), 0)
})

test('failures from many addresses block new addresses, but not those the subject signed in from', () => {
  const attempts = new FailedAttempts()
  const home = { subject: 'a', address: '192.0.2.1' }
  attempts.succeeded(home, NOW)
  failEverywhere(attempts, 'a')
  assert.equal(attempts.blockedForMs({ subject: 'a', address: '192.0.2.2' }, NOW), FAILURE_PER_SUBJECT_FORGIVEN_MS)
  assert.equal(attempts.blockedForMs(home, NOW), 0)
})

test('an address is not known for ever', () => {
  const attempts = new FailedAttempts()
  const home = { subject: 'a', address: '192.0.2.1' }
  attempts.succeeded(home, NOW - KNOWN_ADDRESS_MS)
  failEverywhere(attempts, 'a')
  assert.notEqual(attempts.blockedForMs(home, NOW), 0)
})

test('a success takes back what was presumed', () => {
  const attempts = new FailedAttempts()
  const attempt = { subject: 'a', address: '192.0.2.1' }
  for (let done = 0; done < 3 * MAX_FAILURES_PER_SUBJECT; done += 1) {
    attempts.presumeFailed(attempt, NOW)
    attempts.succeeded(attempt, NOW)
  }
  assert.equal(attempts.blockedForMs(attempt, NOW), 0)
  assert.equal(attempts.blockedForMs({ ...attempt, address: '192.0.2.2' }, NOW), 0)
})

test('a flood of other subjects does not make the memory grow; it forgets the oldest', () => {
  const attempts = new FailedAttempts()
  const attempt = { subject: 'a', address: '192.0.2.1' }
  fail(attempts, 'a', attempt.address, MAX_FAILURES_PER_ADDRESS)
  for (let other = 0; other < MAX_ATTEMPT_ENTRIES; other += 1) fail(attempts, `other-${other}`, '192.0.2.9', 1)
  assert.equal(attempts.blockedForMs(attempt, NOW), 0)
})

test('a clock that is set back forgives nothing', () => {
  const attempts = new FailedAttempts()
  const attempt = { subject: 'a', address: '192.0.2.1' }
  fail(attempts, 'a', attempt.address, MAX_FAILURES_PER_ADDRESS)
  assert.notEqual(attempts.blockedForMs(attempt, NOW - 3_600_000), 0)
})

test('an IPv6 network counts as one address, however it is written', () => {
  const group = '2001:db8:1:2::/64'
  for (const address of ['2001:db8:1:2::1', '2001:DB8:1:2:ffff::', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1%eth0']) {
    assert.equal(addressGroupOf(address), group)
  }
  assert.equal(addressGroupOf('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(addressGroupOf('::1'), '0:0:0:0::/64')
  assert.equal(addressGroupOf('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(addressGroupOf('192.0.2.1'), '192.0.2.1')
})
