/** Attacks on the audit log: reading without leaving a trace, leaving a misleading one, and writing into it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { rawRequest, sendRaw } from './raw-requests.ts'

const QUERY = '?api-version=2026-04-01'

let server: TestServer
let host: string
let token: string
before(async () => {
  server = await startTestServer()
  const vault = await server.newVault()
  const app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Administrator')
  token = app.token
  host = `${vault.name}.vault.localhost:${server.port}`
  await server.vault(vault.name)('PUT', '/secrets/admin', { value: 'v' })
})
after(() => server.stop())

/** Sends a request and answers it together with the records it left. */
async function traced(line: string, headers: readonly string[] = []) {
  const before = server.auditLines().length
  const answer = await sendRaw(
    server,
    rawRequest(line, [`Host: ${host}`, `Authorization: Bearer ${token}`, ...headers]),
  )
  return { answer, records: server.auditLines().slice(before) }
}

test('a record names the object, whatever way the request wrote its name', async () => {
  for (const path of [
    '/secrets/admin',
    '/secrets/%61%64min',
    '//secrets///admin/',
    '/SECRETS/admin',
    '/secrets/admin#/harmless',
  ]) {
    const { answer, records } = await traced(`GET ${path}${QUERY}`)
    assert.equal(answer.status, 200, path)
    assert.deepEqual(
      records.map(({ properties }) => properties.id),
      [`https://${host}/secrets/admin`],
    )
  }
})

test('a name that is none stays one segment of the address', async () => {
  const { records } = await traced(`GET /secrets/..%2Fother%00%0a%22${QUERY}`)
  assert.deepEqual(
    records.map(({ properties }) => properties.id),
    [`https://${host}/secrets/..%2Fother%00%0A%22`],
  )
})

test('every way of asking leaves exactly one record', async () => {
  for (const [line, headers] of [
    [`GET /secrets/admin${QUERY}`, ['Expect: something-else']],
    [`GET /secrets/admin${QUERY}`, ['Connection: Upgrade', 'Upgrade: websocket']],
    [`HEAD /secrets/admin${QUERY}`, []],
    [`OPTIONS *`, []],
    [`TRACE /secrets/admin${QUERY}`, []],
    ['GET /', []],
    [`GET https://example.org/secrets/admin${QUERY}`, []],
    [`GET /secrets/admin${QUERY}`, ['Host: example.org']],
    [`GET /secrets/admin${QUERY}`, ['Authorization: x']],
    [`GET /${'a'.repeat(20_000)}`, []],
  ] as const) {
    const { answer, records } = await traced(line, headers)
    assert.ok(answer.status > 0, line)
    assert.deepEqual(
      records.map(({ properties }) => properties.httpStatusCode),
      [answer.status],
      line,
    )
  }
})

test('text of a request cannot begin a record of its own', async () => {
  const forged = '"}}\\n{"time":"2026-01-01T00:00:00.0000000Z","operationName":"Forged"}'
  const { records } = await traced(`GET /secrets/a%0a%0d%22%7d${QUERY}&x=%0a{`, [
    `User-Agent: ${forged} \u0085 \u00ff`,
    `x-ms-client-request-id: ${forged}`,
  ])
  assert.equal(records.length, 1)
  assert.equal(records[0].properties.clientInfo.startsWith(forged), true)
  assert.ok(server.auditLines().every(({ operationName }) => operationName !== 'Forged'))
})

test('a record stays small, however large the request was', async () => {
  const { records } = await traced(`GET /secrets/${'%C3%A9'.repeat(170)}${QUERY}&x=${'y'.repeat(10_000)}`, [
    `User-Agent: ${'\u00e9'.repeat(10_000)}`,
    `x-ms-client-request-id: ${'z'.repeat(5_000)}`,
  ])
  assert.equal(records.length, 1)
  assert.ok(JSON.stringify(records[0]).length < 8_000)
})
