/** What cannot be recorded is not answered: every operation on secrets while the audit log cannot be written. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { verifyAuditFolder } from '../../src/adapters/audit-sinks/file/verify-audit-folder.ts'
import { openAuditKey, sealedAnchors } from '../../src/flows/audit-keys.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { startTestServer, type TestAnswer, type TestServer } from '../support/test-server.ts'
import { assertConsistent } from '../support/vault-state.ts'
import { type FailingAuditWrites, failingAuditWrites, WRITE_FAULTS } from './failing-audit-writes.ts'
import { scenarios, VALUE_MARK } from './secret-scenarios.ts'

let server: TestServer
let writes: FailingAuditWrites
const answered = new Map<string, number>()
const refused: string[] = []

before(async () => {
  writes = failingAuditWrites()
  server = await startTestServer()
})
after(async () => {
  await server.stop()
  writes[Symbol.dispose]()
})

function note(answer: TestAnswer): TestAnswer {
  answered.set(String(answer.headers['x-ms-request-id']), answer.status)
  return answer
}

/** A 503 with nothing of what the operation found or did. */
function assertRefused(answer: TestAnswer): void {
  assert.equal(answer.status, 503, answer.text)
  assert.equal(
    answer.text,
    JSON.stringify({
      error: { code: 'ServiceUnavailable', message: 'The service cannot answer now; retry later.' },
    }),
  )
  assert.doesNotMatch(JSON.stringify(answer.headers), /rack 7|mark-of-a-value/)
  refused.push(String(answer.headers['x-ms-request-id']))
}

async function assertChainIsWhole(): Promise<void> {
  const key = await openAuditKey(server.data.installation, systemRandom)
  const verification = await verifyAuditFolder({
    folder: join(server.folder, 'audit'),
    key: key.reveal(),
    anchors: sealedAnchors(server.data.installation),
  })
  assert.deepEqual(verification.findings, [])
  assert.ok(verification.isIntact)
}

for (const scenario of scenarios) {
  test(`${scenario.operation}, ${scenario.name}, is refused while its record cannot be written`, async () => {
    for (const fault of WRITE_FAULTS) {
      const vault = await server.newVault()
      const send = server.vault(vault.name)
      const prepared = await scenario.prepare(send)
      const failedBefore = writes.failed
      writes.failAt(1, fault)
      assertRefused(await scenario.act(send, prepared))
      assert.equal(writes.failed, failedBefore + 1)
      // The same request again: it took effect the first time, or does now, and either is said.
      const again = note(await scenario.act(send, prepared))
      assert.ok([scenario.success, scenario.again].includes(again.status), again.text)
    }
  })
}

describe('while the audit log cannot be written', () => {
  test('tokens are not given out either', async () => {
    const app = await server.newApp()
    writes.failAt(1, 'nothing')
    await assert.rejects(
      () => server.tokenFor(app.clientId, app.clientSecret),
      (error: unknown) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, /^no token: 503 /)
        assert.doesNotMatch(error.message, /eyJ/)
        return true
      },
    )
    await server.tokenFor(app.clientId, app.clientSecret)
  })

  test('refusals are not given out either', async () => {
    const vault = await server.newVault()
    for (const [path, token] of [
      ['/secrets/missing', undefined],
      ['/secrets/one', null],
      ['/nowhere', undefined],
    ] as const) {
      writes.failAt(1, 'part')
      assertRefused(await server.vault(vault.name)('GET', path, undefined, token === undefined ? {} : { token }))
    }
  })

  test('all of many requests at once get no data, and all of them do afterwards', async () => {
    const vault = await server.newVault()
    const send = server.vault(vault.name)
    note(await send('PUT', '/secrets/one', { value: VALUE_MARK }))
    const many = () => Promise.all(Array.from({ length: 40 }, () => send('GET', '/secrets/one')))
    for (const fault of WRITE_FAULTS) {
      writes.failAt(1, fault, Number.POSITIVE_INFINITY)
      for (const answer of await many()) assertRefused(answer)
      writes.failAt(Number.POSITIVE_INFINITY, 'nothing', 0)
      for (const answer of await many()) {
        assert.equal(note(answer).status, 200)
        assert.equal(answer.json.value, VALUE_MARK)
      }
    }
  })

  test('a record that was written in part and cannot be cut off again keeps everything refused until it is', async () => {
    const vault = await server.newVault()
    const send = server.vault(vault.name)
    writes.failAt(1, 'part')
    writes.failTruncations(true)
    for (let request = 0; request < 3; request++)
      assertRefused(await send('PUT', '/secrets/one', { value: VALUE_MARK }))
    writes.failTruncations(false)
    assert.equal(note(await send('GET', '/secrets/one')).status, 200)
  })

  test('only the requests whose write failed are refused, whichever write of a series it is', async () => {
    for (let write = 1; write <= 6; write++) {
      const vault = await server.newVault()
      const send = server.vault(vault.name)
      writes.failAt(write, 'part')
      const requests = [
        () => send('PUT', '/secrets/one', { value: VALUE_MARK }),
        () => send('GET', '/secrets/one'),
        () => send('PATCH', '/secrets/one', { tags: { a: 'b' } }),
        () => send('GET', '/secrets'),
        () => send('DELETE', '/secrets/one'),
      ]
      const statuses: number[] = []
      for (const request of requests) {
        const answer = await request()
        statuses.push(answer.status)
        if (answer.status === 503) assertRefused(answer)
        else note(answer)
      }
      assert.deepEqual(
        statuses,
        requests.map((_, index) => (index + 1 === write ? 503 : 200)),
      )
    }
    // The sixth was not reached by the series, so it is this one.
    assertRefused(await server.send({ path: '/secrets?api-version=7.4', host: 'dev.vault.localhost' }))
  })
})

describe('afterwards', () => {
  test('the log is whole, and has each answered request once with its status', async () => {
    await assertChainIsWhole()
    const recorded = new Map<string, number[]>()
    for (const { properties } of server.auditLines()) {
      recorded.set(properties.requestId, [...(recorded.get(properties.requestId) ?? []), properties.httpStatusCode])
    }
    assert.ok(answered.size > 100)
    for (const [requestId, status] of answered) assert.deepEqual(recorded.get(requestId), [status])
    for (const requestId of refused) assert.equal(recorded.get(requestId), undefined)
  })

  test('the data is consistent, and neither answers nor log had a value', async () => {
    await assertConsistent(server.data)
    const logged = server.logged()
    assert.ok(!logged.includes(VALUE_MARK))
    assert.ok(logged.includes('rack 7'))
    for (const requestId of refused) assert.ok(logged.includes(requestId))
  })
})
