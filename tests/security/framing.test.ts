/** Attacks on where one request ends and the next one begins: what a proxy in front might read otherwise is refused. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { sendRaw } from './raw-requests.ts'

const QUERY = '?api-version=2026-04-01'

let server: TestServer
let host: string
before(async () => {
  server = await startTestServer()
  host = `${(await server.newVault()).name}.vault.localhost:${server.port}`
})
after(() => server.stop())

const put = (headers: readonly string[], rest: string) =>
  sendRaw(server, `${[`PUT /secrets/s${QUERY} HTTP/1.1`, `Host: ${host}`, ...headers].join('\r\n')}\r\n\r\n${rest}`)
const inner = () => `GET /healthstatus HTTP/1.1\r\nHost: ${host}\r\n\r\n`

for (const [name, headers, rest] of [
  ['a length beside chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['chunks beside a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], '0\r\n\r\n'],
  ['two lengths', ['Content-Length: 4', 'Content-Length: 5'], 'aaaaa'],
  ['two equal lengths in one', ['Content-Length: 4, 4'], 'aaaa'],
  ['a signed length', ['Content-Length: +4'], 'aaaa'],
  ['a hexadecimal length', ['Content-Length: 0x4'], 'aaaa'],
  ['an unknown coding', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  ['chunks that are not the last coding', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'],
  ['a blank before the colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n'],
  ['a folded header', ['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
  ['a chunk size that is none', ['Transfer-Encoding: chunked'], 'g\r\na\r\n0\r\n\r\n'],
  ['a chunk size with a sign', ['Transfer-Encoding: chunked'], '-1\r\na\r\n0\r\n\r\n'],
  ['a NUL in a header', ['X: a\0b', 'Content-Length: 0'], ''],
] as const) {
  test(`${name} is refused, and nothing after it is read as a request`, async () => {
    const answer = await put(headers, rest + inner())
    assert.equal(answer.status, 400)
    assert.ok(!answer.text.includes('HTTP/1.1'), answer.text)
  })
}

test('lines that end without a carriage return are no HTTP', async () => {
  const answer = await sendRaw(server, `GET /healthstatus HTTP/1.1\nHost: ${host}\n\n`)
  assert.equal(answer.status, 400)
})

test('what is sent as the body of a request that has none is not the next request', async () => {
  const body = inner()
  const first = `GET /secrets/s${QUERY} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`
  const answer = await sendRaw(server, first + body)
  assert.equal(answer.status, 401)
  assert.ok(!answer.text.includes('"OK"'))
})

test('more headers than anybody sends are refused before they are looked at', async () => {
  const answer = await put(
    Array.from({ length: 9_000 }, () => 'a:'),
    '',
  )
  assert.equal(answer.status, 431)
})
