/** Attacks on the log-in host: keeping it busy, and guessing. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FailedAttempts } from '../../src/domain/identity/failed-attempts.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

const MAX_BUSY_MS = 1_000
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

for (const [what, body] of [
  [
    'a resource of slashes',
    `grant_type=client_credentials&client_id=a&client_secret=b&resource=a${'/'.repeat(60_000)}x`,
  ],
  [
    'a scope of slashes',
    `grant_type=client_credentials&client_id=a&client_secret=b&scope=a${'/'.repeat(60_000)}x/.default`,
  ],
  ['a user scope of slashes', `grant_type=password&client_id=a&username=a&password=b&scope=a${'/'.repeat(60_000)}x/y`],
  ['a scope of blanks', `grant_type=client_credentials&client_id=a&client_secret=b&scope=${'+'.repeat(60_000)}x`],
  [
    'a user name of at signs',
    `grant_type=password&client_id=a&username=${'@'.repeat(60_000)}&password=b&scope=https://x/y`,
  ],
] as const) {
  test(`${what} keeps nobody waiting`, async () => {
    const startedMs = performance.now()
    const answer = await server.send({
      method: 'POST',
      host: 'login.localhost',
      path: '/common/oauth2/v2.0/token',
      token: null,
      headers: FORM,
      body,
    })
    assert.ok(answer.status >= 400 && answer.status < 500)
    assert.ok(performance.now() - startedMs < MAX_BUSY_MS)
  })
}

test('guesses a tenth of a second apart are stopped, not only those at one moment', () => {
  const attempts = new FailedAttempts()
  const attempt = { subject: 'ada@example.org', address: '192.0.2.1' }
  let tried = 0
  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 100) {
    if (attempts.blockedForMs(attempt, nowMs) > 0) continue
    attempts.presumeFailed(attempt, nowMs)
    tried++
  }
  assert.ok(tried <= 30, `${tried} guesses in 1000 seconds`)
})
