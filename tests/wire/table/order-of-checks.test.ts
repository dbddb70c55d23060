/**
 * Which refusal a request gets that deserves several: the one of the earlier step, as src/http/pipeline.ts has them.
 * Every pair is tried, so a step that moves is noticed.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestApp, type TestServer } from '../../support/test-server.ts'

/** Scales the budget of 300 sets in ten seconds down to one. */
const ONE_SET = 1 / 300

let server: TestServer
let nobody: TestApp
let vaults: Record<'open' | 'spent' | 'blocked' | 'blockedSpent', string>
before(async () => {
  server = await startTestServer({ throttleScale: ONE_SET })
  nobody = await server.newApp()
  const networkAcls = { bypass: 'None', defaultAction: 'Deny', ipRules: [] } as const
  vaults = {
    open: (await server.newVault()).name,
    spent: (await server.newVault()).name,
    blocked: (await server.newVault({ networkAcls })).name,
    blockedSpent: (await server.newVault({ networkAcls })).name,
  }
  const answer = await server.vault(vaults.spent)('PUT', '/secrets/first', { value: 'v' })
  assert.equal(answer.status, 200)
})
after(() => server.stop())

const MAX_BODY_BYTES = 262_144

interface Draft {
  host: string
  method: string
  path: string
  query: string
  token: string | null | undefined
  body: string
  contentType: string
}

interface Fault {
  readonly name: string
  readonly status: number
  readonly code: string
  readonly inner?: string
  spoil(draft: Draft): void
  /** Faults that cannot be had together with this one. */
  readonly excludes?: readonly string[]
}

const hostOf = (name: string) => `${name}.vault.localhost`

/** In the order of the steps. */
const faults: readonly Fault[] = [
  {
    name: 'no token',
    status: 401,
    code: 'Unauthorized',
    spoil: (draft) => {
      draft.token = null
    },
    excludes: ['no role'],
  },
  {
    name: 'no api-version',
    status: 400,
    code: 'BadParameter',
    spoil: (draft) => {
      draft.query = ''
    },
  },
  {
    name: 'no such vault',
    status: 404,
    code: 'NotFound',
    spoil: (draft) => {
      draft.host = hostOf('no-such-vault')
    },
    excludes: ['address not let in', 'budget spent'],
  },
  {
    name: 'address not let in',
    status: 403,
    code: 'Forbidden',
    inner: 'ForbiddenByFirewall',
    spoil: (draft) => {
      draft.host = hostOf(draft.host === hostOf(vaults.spent) ? vaults.blockedSpent : vaults.blocked)
    },
  },
  {
    name: 'no such method here',
    status: 405,
    code: 'MethodNotAllowed',
    spoil: (draft) => {
      draft.method = 'POST'
    },
  },
  {
    name: 'no role',
    status: 403,
    code: 'Forbidden',
    inner: 'ForbiddenByRbac',
    spoil: (draft) => {
      draft.token = nobody.token
    },
  },
  {
    name: 'budget spent',
    status: 429,
    code: 'Throttled',
    spoil: (draft) => {
      draft.host = hostOf(draft.host === hostOf(vaults.blocked) ? vaults.blockedSpent : vaults.spent)
    },
  },
  {
    name: 'body is no JSON by its content type',
    status: 415,
    code: 'UnsupportedMediaType',
    spoil: (draft) => {
      draft.contentType = 'text/plain'
    },
  },
  {
    name: 'body too large',
    status: 413,
    code: 'RequestEntityTooLarge',
    spoil: (draft) => {
      draft.body = draft.body.padEnd(MAX_BODY_BYTES + 10, ' ')
    },
  },
  {
    name: 'body is no JSON',
    status: 400,
    code: 'BadParameter',
    spoil: (draft) => {
      draft.body = `{${draft.body}`
    },
    excludes: ['body breaks a rule'],
  },
  {
    name: 'body breaks a rule',
    status: 400,
    code: 'BadParameter',
    spoil: (draft) => {
      draft.body = draft.body.replace('"v"', '5')
    },
  },
  {
    name: 'name breaks a rule',
    status: 400,
    code: 'BadParameter',
    spoil: (draft) => {
      draft.path = '/secrets/a_b'
    },
  },
]

async function refusalOf(...chosen: readonly Fault[]): Promise<string> {
  const draft: Draft = {
    host: hostOf(vaults.open),
    method: 'PUT',
    path: '/secrets/s',
    query: '?api-version=2026-04-01',
    token: undefined,
    body: '{"value":"v"}',
    contentType: 'application/json',
  }
  for (const { spoil } of chosen) spoil(draft)
  const answer = await server.send({
    method: draft.method,
    host: draft.host,
    path: `${draft.path}${draft.query}`,
    body: draft.body,
    headers: { 'content-type': draft.contentType },
    ...(draft.token === undefined ? {} : { token: draft.token }),
  })
  // A fresh budget for the next one; the spent ones are spent again.
  server.clock.advance(10_000)
  await server.vault(vaults.spent)('PUT', '/secrets/first', { value: 'v' })
  const { error } = answer.json
  // The first line: the others name caller and vault, which are not the same in all drafts.
  return JSON.stringify([answer.status, error?.code, error?.innererror?.code, error?.message.split('\r\n', 1)[0]])
}

for (const [index, earlier] of faults.entries()) {
  test(`${earlier.name} comes before everything after it`, async () => {
    const alone = await refusalOf(earlier)
    const [status, code, inner] = JSON.parse(alone) as unknown[]
    assert.deepEqual([status, code, inner ?? undefined], [earlier.status, earlier.code, earlier.inner])
    for (const later of faults.slice(index + 1)) {
      if (earlier.excludes?.includes(later.name)) continue
      assert.equal(await refusalOf(earlier, later), alone, `with ${later.name}`)
      assert.notEqual(await refusalOf(later), alone, `${later.name} alone is told apart`)
    }
  })
}

test('a caller without a role is not told whether an object exists', async () => {
  const call = server.vault(vaults.open)
  server.clock.advance(10_000)
  assert.equal((await call('PUT', '/secrets/exists', { value: 'v' })).status, 200)
  const { token } = nobody
  const [known, unknown] = [
    await call('GET', '/secrets/exists', undefined, { token }),
    await call('GET', '/secrets/unknown', undefined, { token }),
  ]
  assert.deepEqual([known.status, known.text.replace('exists', 'unknown')], [unknown.status, unknown.text])
})

test('a path that is none is refused before the role is asked for, and after the address', async () => {
  const path = '/nothing?api-version=7.4'
  const ask = async (vault: string) => {
    const { status, json } = await server.send({ host: hostOf(vault), path, token: nobody.token })
    return [status, json.error.code, json.error.innererror?.code]
  }
  assert.deepEqual(await ask(vaults.open), [404, 'NotFound', undefined])
  assert.deepEqual(await ask(vaults.blocked), [403, 'Forbidden', 'ForbiddenByFirewall'])
})
