import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FAST_DECOY,
  GENERATED_SECRET_BYTES,
  hashChosenSecret,
  hashGeneratedSecret,
  matchesFastHash,
  matchesSlowHash,
  SLOW_DECOY,
  secretFromRandom,
} from './secret-hash.ts'

const salt = Uint8Array.from({ length: 16 }, (_, index) => index)

test('a generated secret has 40 characters that need no quoting, and uses all its random bits', () => {
  const all = Array.from({ length: 256 }, (_, byte) =>
    secretFromRandom(new Uint8Array(GENERATED_SECRET_BYTES).fill(byte)),
  )
  for (const secret of all) assert.match(secret, /^[A-Za-z][A-Za-z0-9_~]{39}$/)
  assert.equal(new Set(all.map((secret) => secret[1])).size, 64)
  assert.throws(() => secretFromRandom(new Uint8Array(39)))
})

test('a generated secret matches its own hash only', () => {
  const hash = hashGeneratedSecret('secret-a', salt)
  assert.ok(hash.scheme === 'hmac-sha256')
  assert.ok(matchesFastHash('secret-a', hash))
  assert.ok(!matchesFastHash('secret-b', hash))
  assert.ok(!matchesFastHash('', hash))
  const other = hashGeneratedSecret(
    'secret-a',
    salt.map((byte) => byte + 1),
  )
  assert.notEqual(other.digest, hash.digest)
})

test('a chosen secret goes through scrypt and matches however its accents are composed', async () => {
  const hash = await hashChosenSecret('caf\u00e9 au lait', salt)
  assert.ok(hash.scheme === 'scrypt')
  assert.ok(await matchesSlowHash('cafe\u0301 au lait', hash))
  assert.ok(!(await matchesSlowHash('cafe au lait', hash)))
})

test('nothing matches a decoy', async () => {
  assert.ok(!matchesFastHash('', FAST_DECOY))
  assert.ok(!(await matchesSlowHash('', SLOW_DECOY)))
})
