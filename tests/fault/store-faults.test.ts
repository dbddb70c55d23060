/**
 * Every operation on secrets with every call that it makes to the store failing in turn, before or after it took effect:
 * the client gets a clean 503, the vault is as before or as after, never in between, and the request is on record.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { DataFolder } from '../../src/data-folder.ts'
import { checkRecords } from '../../src/flows/check-records.ts'
import { operations } from '../../src/operations/index.ts'
import { StoreConflict } from '../../src/ports/store.ts'
import { type FallibleStore, MOMENTS, makeFallible } from '../support/fallible-store.ts'
import { startTestServer, type TestAnswer, type TestRequest, type TestServer } from '../support/test-server.ts'
import { assertConsistent, vaultState } from '../support/vault-state.ts'
import { type Scenario, type Send, scenarios, VALUE_MARK } from './secret-scenarios.ts'

const MAX_CALLS = 60
const ANSWER_MS = 10_000
/** In the internal part of what goes wrong; must stay inside. */
const INTERNAL = 'rack 7'

let server: TestServer
let faults: FallibleStore
/** What every answered request has to have on record. */
const answered: { readonly requestId: string; readonly status: number }[] = []

before(async () => {
  server = await startTestServer(
    {},
    {
      wrapStore(data: DataFolder) {
        faults = makeFallible(data.store)
        return data
      },
    },
  )
})
after(() => server.stop())

/** A request that has to be answered, whatever happens behind it. */
async function answerTo(sending: Promise<TestAnswer>): Promise<TestAnswer> {
  let cancel: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    cancel = setTimeout(() => {
      reject(new Error('no answer'))
    }, ANSWER_MS)
  })
  try {
    const answer = await Promise.race([sending, late])
    answered.push({ requestId: String(answer.headers['x-ms-request-id']), status: answer.status })
    return answer
  } finally {
    clearTimeout(cancel)
  }
}

function assertClean(answer: TestAnswer, status: 500 | 503): void {
  const [code, message] =
    status === 503
      ? ['ServiceUnavailable', 'The service cannot answer now; retry later.']
      : [
          'InternalServerError',
          'An unexpected error happened. The x-ms-request-id of this answer finds it in the log of the server.',
        ]
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.text, JSON.stringify({ error: { code, message } }))
  assert.doesNotMatch(JSON.stringify(answer.headers), /rack 7|mark-of-a-value|store|sqlite/i)
}

interface Prepared {
  readonly send: Send
  readonly vaultId: string
  /** What the scenario's preparation answered. */
  readonly state: string
}

/** A vault in the scenario's first state, of which nothing is in the server's memory. */
async function prepared(scenario: Scenario): Promise<Prepared> {
  const vault = await server.newVault()
  const send = server.vault(vault.name)
  const state = await scenario.prepare(send)
  return forgotten({ send, vaultId: vault.vaultId, state })
}

/** Lets the server forget what it remembers of a vault, so that keys and role assignments are read again. */
async function forgotten(known: Prepared): Promise<Prepared> {
  server.data.keyrings.forget(known.vaultId)
  await server.data.store.commit([{ collection: 'meta', key: 'directory', expect: 'any', body: new Uint8Array(0) }])
  return known
}

async function assertDataIsWhole(): Promise<void> {
  const { problems } = await checkRecords(server.data, server.data.keyrings, () => undefined)
  assert.deepEqual(problems, [])
  await assertConsistent(server.data)
}

test('there is a scenario for every operation on secrets', () => {
  const ids = operations.filter(({ path }) => /^\/(deleted)?secrets/.test(path)).map(({ id }) => id)
  assert.equal(ids.length, 12)
  assert.deepEqual([...new Set(scenarios.map(({ operation }) => operation))].sort(), ids.sort())
})

for (const scenario of scenarios) {
  describe(`${scenario.operation}, ${scenario.name}`, () => {
    for (const moment of MOMENTS) {
      test(`survives each of its calls to the store failing ${moment} it took effect`, async () => {
        const control = await prepared(scenario)
        const stateBefore = await vaultState(server.data, control.vaultId)
        assert.equal((await scenario.act(control.send, control.state)).status, scenario.success)
        const stateAfter = await vaultState(server.data, control.vaultId)
        const isChange = stateBefore.join() !== stateAfter.join()

        for (let call = 1; ; call++) {
          assert.ok(call < MAX_CALLS, 'it never came to an end')
          const { send, vaultId, state } = await (isChange ? prepared(scenario) : forgotten(control))
          faults.failAt(call, moment)
          const answer = await answerTo(scenario.act(send, state))
          const failed = faults.mend()
          const what = `call ${call}, ${failed}`
          const found = await vaultState(server.data, vaultId)
          if (failed === undefined) {
            assert.equal(answer.status, scenario.success, answer.text)
            assert.deepEqual(found, stateAfter)
            break
          }
          assertClean(answer, 503)
          const hadEffect = isChange && moment === 'after' && failed === 'commit'
          assert.deepEqual(found, hadEffect ? stateAfter : stateBefore, what)
          const again = await answerTo(scenario.act(send, state))
          assert.equal(again.status, hadEffect ? scenario.again : scenario.success, `${what}: ${again.text}`)
        }
      })
    }

    test('answers 500 without a word about it when the store fails in a way that nobody expected', async () => {
      const { send, state, vaultId } = await prepared(scenario)
      for (let call = 1; ; call++) {
        assert.ok(call < MAX_CALLS, 'it never came to an end')
        // Nothing takes effect before the last call of all, so one vault is enough.
        await forgotten({ send, state, vaultId })
        faults.failAt(call, 'before', new TypeError(`${INTERNAL} is not a function`))
        const answer = await answerTo(scenario.act(send, state))
        if (faults.mend() === undefined) break
        assertClean(answer, 500)
      }
    })
  })
}

describe('a change that always loses its races', () => {
  for (const scenario of scenarios.filter(({ operation }) => /^(Set|Update|Delete|Recover|Purge)/.test(operation))) {
    test(`is given up with 409 by ${scenario.operation}, ${scenario.name}`, async () => {
      const { send, vaultId, state } = await prepared(scenario)
      const stateBefore = await vaultState(server.data, vaultId)
      faults.failCommits(
        (changes) => changes.some(({ key }) => key.startsWith(`${vaultId}/`)),
        () => new StoreConflict('secrets', 'one'),
      )
      const answer = await answerTo(scenario.act(send, state))
      faults.mend()
      assert.equal(answer.status, 409)
      assert.equal(answer.json.error.code, 'Conflict')
      assert.deepEqual(await vaultState(server.data, vaultId), stateBefore)
    })
  }
})

describe('requests that do not get as far as an operation', () => {
  const requests: readonly (TestRequest & { readonly name: string })[] = [
    { name: 'without a token', path: '/secrets/one?api-version=7.4', token: null },
    {
      name: 'without a token for a vault there is none of',
      host: 'nothing.vault.localhost',
      path: '/secrets',
      token: null,
    },
    { name: 'for a vault there is none of', host: 'nothing.vault.localhost', path: '/secrets?api-version=7.4' },
    { name: 'with a token that is none', path: '/secrets?api-version=7.4', token: 'x.y.z' },
    {
      name: 'without a token for the control plane',
      host: 'management.localhost',
      path: '/subscriptions',
      token: null,
    },
    { name: 'for the control plane', host: 'management.localhost', path: '/subscriptions?api-version=2022-12-01' },
    { name: 'for a host there is none of', host: 'elsewhere.example', path: '/', token: null },
    { name: 'for the health of the service', path: '/healthstatus', token: null },
    {
      name: 'for a token of nobody',
      host: 'login.localhost',
      method: 'POST',
      path: '/adfs/oauth2/v2.0/token',
      token: null,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `grant_type=client_credentials&client_id=x&client_secret=${VALUE_MARK}&scope=https://vault.azure.net/.default`,
    },
    { name: 'for the signing keys', host: 'login.localhost', path: '/common/discovery/v2.0/keys', token: null },
    { name: 'for the metadata', host: 'login.localhost', path: '/adfs/.well-known/openid-configuration', token: null },
  ]
  for (const { name, ...request } of requests) {
    test(`${name}: are answered whichever call to the store fails`, async () => {
      const usual = await server.send(request)
      // The administrator's token is at hand now, so nothing but the request itself meets the fault.
      for (let call = 1; ; call++) {
        assert.ok(call < MAX_CALLS, 'it never came to an end')
        await server.newVault()
        faults.failAt(call, 'before')
        const answer = await answerTo(server.send(request))
        const failed = faults.mend()
        if (failed === undefined) {
          assert.equal(answer.status, usual.status)
          break
        }
        assert.ok([503, usual.status].includes(answer.status), `${failed}: ${answer.status} ${answer.text}`)
        assert.doesNotMatch(answer.text, /rack 7|mark-of-a-value/)
      }
    })
  }
})

describe('afterwards', () => {
  test('every answered request is on record once, with the status it was answered with', () => {
    const recorded = new Map<string, number[]>()
    for (const { properties } of server.auditLines()) {
      const statuses = recorded.get(properties.requestId) ?? []
      recorded.set(properties.requestId, [...statuses, properties.httpStatusCode])
    }
    assert.ok(answered.length > 300)
    for (const { requestId, status } of answered) assert.deepEqual(recorded.get(requestId), [status])
  })

  test('the log has the whole story of each fault and no value', () => {
    const logged = server.logged()
    assert.ok(logged.includes(INTERNAL))
    assert.ok(!logged.includes(VALUE_MARK))
    for (const { requestId, status } of answered) {
      if (status === 500 || status === 503) assert.ok(logged.includes(requestId))
    }
  })

  test('every record opens', async () => {
    await assertDataIsWhole()
  })
})
