/** Requests as HTTP, whatever operation they are for: methods, paths, hosts, bodies, and what is no HTTP at all. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders, type ExpectedRefusal } from '../../support/vault-answers.ts'

const VERSION = 'api-version=2026-04-01'

let server: TestServer
let call: ReturnType<TestServer['vault']>
let host: string
let token: string
before(async () => {
  server = await startTestServer()
  const vault = await server.newVault()
  host = `${vault.name}.vault.localhost`
  call = server.vault(vault.name)
  const app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Administrator')
  token = app.token
  await call('PUT', '/secrets/s', { value: 'v' })
})
after(() => server.stop())

const routeNotFound: ExpectedRefusal = {
  code: 'NotFound',
  message: 'The requested path does not name an operation of this service.',
}
const hostUnknown: ExpectedRefusal = { code: 'NotFound', message: 'No vault or service answers to this host name.' }
const notHttp: ExpectedRefusal = { code: 'BadRequest', message: 'The request is not well-formed HTTP.' }

interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly text: string
}

/** Writes bytes as they are and reads until the server closes; `Connection: close` makes it do so. */
function sendRaw(bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('end', () => {
      const all = Buffer.concat(chunks).toString('utf8')
      const split = all.indexOf('\r\n\r\n')
      const head = all.slice(0, split)
      resolve({ status: Number(head.split(' ')[1]), head, text: all.slice(split + 4) })
    })
    socket.write(bytes)
  })
}

const requestHead = (line: string, headers: readonly string[]) => `${[line, ...headers].join('\r\n')}\r\n\r\n`
const ordinary = () => [`Host: ${host}:${server.port}`, `Authorization: Bearer ${token}`, 'Connection: close']

function assertRawRefused(answer: RawAnswer, status: number, { code, message }: ExpectedRefusal): void {
  assert.deepEqual([answer.status, answer.text], [status, JSON.stringify({ error: { code, message } })])
}

test('a path that names no operation is refused with 404', async () => {
  for (const path of [
    '/',
    '/secret',
    '/secrets/a/b/c',
    '/secrets/a/versions/b',
    '/deletedsecrets/a/restore',
    '/secrets%2Fs',
    '/secrets/%',
    '/secrets/%zz',
    '/secrets/%c3%28',
    `/secrets/${'a'.repeat(2_000)}`,
    '/healthstatus/x',
  ]) {
    assertRefused(await call('GET', `${path}?${VERSION}`), 404, routeNotFound)
  }
})

test('escaped slashes and dots are part of a name, and not one that is allowed', async () => {
  for (const [path, name] of [
    ['/secrets/..%2F..', '../..'],
    ['/secrets/%2e%2e', '..'],
    ['/secrets/..', '..'],
    ['/secrets/s%2Fversions', 's/versions'],
  ] as const) {
    const answer = await call('GET', `${path}?${VERSION}`)
    assertRefused(answer, 400, { code: 'BadParameter', message: `The request URI contains an invalid name: ${name}` })
  }
})

test('a 404 has exactly the observed headers', async () => {
  const answer = await call('GET', '/nothing', undefined, { headers: { 'x-ms-client-request-id': 'id-1' } })
  assertVaultHeaders(answer, { byRole: false, clientRequestId: 'id-1' })
})

test('a method that the path does not have is refused with 405 and told the ones it has', async () => {
  for (const [method, path, allowed] of [
    ['POST', '/secrets/s', 'GET, PUT, PATCH, DELETE'],
    ['PUT', '/secrets', 'GET'],
    ['GET', '/deletedsecrets/s/recover', 'POST'],
    ['PATCH', '/deletedsecrets/s', 'GET, DELETE'],
    ['OPTIONS', '/secrets/s', 'GET, PUT, PATCH, DELETE'],
    ['TRACE', '/secrets', 'GET'],
    ['PROPFIND', '/secrets', 'GET'],
  ] as const) {
    const answer = await call(method, path)
    assertRefused(answer, 405, { code: 'MethodNotAllowed', message: `The method ${method} is not allowed here.` })
    assert.equal(answer.headers.allow, allowed, `${method} ${path}`)
  }
})

test('HEAD is refused like any other method, without a body', async () => {
  const answer = await call('HEAD', '/secrets/s')
  const length = JSON.stringify({
    error: { code: 'MethodNotAllowed', message: 'The method HEAD is not allowed here.' },
  }).length
  assert.deepEqual([answer.status, answer.text, answer.headers['content-length']], [405, '', String(length)])
  assert.equal((await call('HEAD', '/secrets/s', undefined, { token: null })).status, 401)
  assert.equal((await call('HEAD', '/nothing')).status, 404)
  assert.equal((await call('GET', '/secrets/s')).json.value, 'v', 'the connection goes on in step')
})

test('a method in other letters, or one that nobody knows, is no HTTP', async () => {
  for (const method of ['get', 'FOO']) {
    assertRawRefused(await sendRaw(requestHead(`${method} /secrets/s?${VERSION} HTTP/1.1`, ordinary())), 400, notHttp)
  }
})

test('text that is no HTTP is refused in the form of the service', async () => {
  for (const bytes of [
    'hello\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    '\u0016\u0003\u0001',
    'GET / HTTP/1.1\r\nbad header\r\n\r\n',
  ]) {
    const answer = await sendRaw(bytes)
    assertRawRefused(answer, 400, notHttp)
    assert.match(answer.head, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(answer.head, /\r\nConnection: close$/)
  }
})

test('two ways to say where a request ends are refused', async () => {
  const smuggled = requestHead(`PUT /secrets/s?${VERSION} HTTP/1.1`, [
    ...ordinary(),
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
  ])
  assertRawRefused(await sendRaw(`${smuggled}0\r\n\r\n`), 400, notHttp)
  const twice = requestHead(`PUT /secrets/s?${VERSION} HTTP/1.1`, [
    ...ordinary(),
    'Content-Length: 5',
    'Content-Length: 6',
  ])
  assertRawRefused(await sendRaw(`${twice}{"a":`), 400, notHttp)
})

test('headers over their limit are refused with 431', async () => {
  const answer = await sendRaw(
    requestHead(`GET /secrets/s?${VERSION} HTTP/1.1`, [...ordinary(), `x: ${'a'.repeat(40_000)}`]),
  )
  const message = 'The headers of the request are too large.'
  assertRawRefused(answer, 431, { code: 'RequestHeaderFieldsTooLarge', message })
})

test('a host that is none of ours is refused with 404, with or without a token', async () => {
  for (const other of [
    'example.org',
    'vault.localhost',
    'a.b.vault.localhost',
    'vault.azure.net',
    '.vault.localhost',
  ]) {
    for (const bearer of [token, null]) {
      const answer = await server.send({
        host: other,
        path: `/secrets/s?${VERSION}`,
        token: bearer,
        headers: { host: other },
      })
      assertRefused(answer, 404, hostUnknown)
      assert.equal(answer.headers['www-authenticate'], undefined)
    }
  }
})

test('a missing or malformed Host header is an unknown host', async () => {
  const withHost = (lines: readonly string[]) =>
    requestHead(`GET /secrets/s?${VERSION} HTTP/1.1`, [...lines, 'Connection: close'])
  for (const lines of [
    [],
    ['Host:'],
    ['Host: a b'],
    ['Host: /'],
    [`Host: ${host}:99999999`],
    ['Host: user@x.vault.localhost'],
  ]) {
    assertRawRefused(await sendRaw(withHost(lines)), 404, hostUnknown)
  }
})

test('the host name counts in any letter case and with a final dot', async () => {
  for (const written of [host.toUpperCase(), `${host}.`]) {
    const answer = await sendRaw(
      requestHead(`GET /secrets/s?${VERSION} HTTP/1.1`, [`Host: ${written}:${server.port}`, ...ordinary().slice(1)]),
    )
    assert.equal(answer.status, 200, written)
    assert.ok(answer.text.includes(`"id":"https://${host}:${server.port}/secrets/s/`), answer.text)
  }
})

test('what follows slashes is never taken for a host', async () => {
  const answer = await call('GET', `//example.org/secrets/s?${VERSION}`)
  assertRefused(answer, 404, routeNotFound)
})

test('JSON is taken by any form of its content type, and without one', async () => {
  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;odata=x',
  ]) {
    const answer = await call('PUT', '/secrets/typed', { value: 'v' }, { headers: { 'content-type': type } })
    assert.equal(answer.status, 200, type)
  }
  const body = '{"value":"untyped"}'
  const raw = requestHead(`PUT /secrets/typed?${VERSION} HTTP/1.1`, [...ordinary(), `Content-Length: ${body.length}`])
  assert.equal((await sendRaw(raw + body)).status, 200)
  assert.equal((await call('GET', '/secrets/typed')).json.value, 'untyped')
})

test('a body in chunks is taken, and refused when it grows over its limit', async () => {
  const head = requestHead(`PUT /secrets/chunked?${VERSION} HTTP/1.1`, [...ordinary(), 'Transfer-Encoding: chunked'])
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
  const taken = await sendRaw(`${head}${chunk('{"value":')}${chunk('"in ')}${chunk('pieces"}')}0\r\n\r\n`)
  assert.equal(taken.status, 200)
  assert.equal((await call('GET', '/secrets/chunked')).json.value, 'in pieces')
  const much = chunk('x'.repeat(65_536)).repeat(4)
  const refused = await sendRaw(`${head}${chunk('{"value":"')}${much}${chunk('"}')}0\r\n\r\n`)
  assert.equal(refused.status, 413)
  assert.match(refused.head, /\r\nConnection: close\r\n/)
})

test('a client that waits for 100 Continue gets it', async () => {
  const body = '{"value":"waited"}'
  const headers = [
    ...ordinary(),
    'Expect: 100-continue',
    `Content-Length: ${body.length}`,
    'Content-Type: application/json',
  ]
  const answer = await sendRaw(requestHead(`PUT /secrets/waited?${VERSION} HTTP/1.1`, headers) + body)
  assert.equal(answer.status, 100)
  assert.match(answer.text, /^HTTP\/1\.1 200 OK\r\n/)
})

test('a body that begins with a byte order mark is read without it', async () => {
  const body = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{"value":"v"}')])
  assert.equal((await call('PUT', '/secrets/marked', body)).status, 200)
})

test('requests one after the other on a connection are answered in order', async () => {
  const one = (name: string, last: boolean) =>
    requestHead(`GET /secrets/${name}?${VERSION} HTTP/1.1`, last ? ordinary() : ordinary().slice(0, 2))
  const answer = await sendRaw(one('s', false) + one('none', false) + one('s', true))
  const statuses = [...`${answer.head}\r\n\r\n${answer.text}`.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(
    ([, status]) => status,
  )
  assert.deepEqual(statuses, ['200', '404', '200'])
})

test('the health status is answered without a token, with the headers of the vault and one record', async () => {
  const headers = { 'x-ms-client-request-id': 'health-1' }
  const answer = await call('GET', '/healthstatus', undefined, { token: null, headers })
  assert.deepEqual([answer.status, answer.text], [200, '"OK"'])
  const records = server.auditLines().filter(({ correlationId }) => correlationId === 'health-1')
  assert.deepEqual(
    records.map(({ operationName, properties }) => [operationName, properties.httpStatusCode]),
    [['HealthStatusGet', 200]],
  )
})
