/** Attacks on the sockets: connections that are held, requests nobody expects, handlers that fail. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { writeServerCertificate } from '../../src/formats/x509-certificate.ts'
import { closeListener, createPlainListener, createTlsListener, listen } from '../../src/http/listener.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { rawRequest, sendRaw } from './raw-requests.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

function ownCertificate() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = writeServerCertificate({
    serial: randomBytes(16),
    commonName: 'test',
    notBeforeMs: Date.now() - 1_000,
    notAfterMs: Date.now() + 60_000,
    publicKey,
    issuer: { commonName: 'test', privateKey },
    names: ['localhost'],
  })
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

test('a connection that never begins TLS is ended, though its client keeps it open', async () => {
  const listener = createTlsListener(
    { ...ownCertificate(), handshakeTimeout: 50 },
    async () => undefined,
    async () => {},
  )
  const port = await listen(listener, 0, '127.0.0.1')
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.resume()
  await once(socket, 'end')
  socket.destroy()
  await closeListener(listener)
})

test('a handler that fails costs its own client the answer, and nobody else', async (context) => {
  const warned = once(process, 'warning')
  let calls = 0
  const listener = createPlainListener(
    async (_request, response) => {
      calls++
      if (calls === 1) throw new Error('a fault of the program')
      response.end('still here')
    },
    async () => {},
  )
  const port = await listen(listener, 0, '127.0.0.1')
  context.after(() => closeListener(listener))
  const request = rawRequest('GET /', ['Host: localhost'])
  assert.equal((await sendRaw({ port, plain: true }, request)).status, 0)
  assert.equal((await sendRaw({ port, plain: true }, request)).text.includes('still here'), true)
  assert.equal((await warned)[0].message, 'a fault of the program')
})

test('a vault whose region has characters that headers cannot carry does not end the server', async () => {
  const vault = await server.newVault({ location: 'a\r\nset-cookie: x\u65e5\u672c' })
  const answer = await server.vault(vault.name)('GET', '/secrets', undefined, { token: null })
  assert.equal(answer.status, 401)
  assert.equal(answer.headers['x-ms-keyvault-region'], 'a??set-cookie: x??')
  assert.equal(answer.headers['set-cookie'], undefined)
})

test('an offered upgrade is ignored and the request answered, as clients that try HTTP/2 expect', async () => {
  const headers = ['Host: localhost', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']
  const answer = await sendRaw(server, rawRequest('GET /healthstatus', headers))
  assert.deepEqual([answer.status, answer.text], [200, '"OK"'])
})

test('a request to act as a proxy is not answered', async () => {
  const answer = await sendRaw(server, rawRequest('CONNECT 127.0.0.1:22', ['Host: localhost']))
  assert.equal(answer.status, 0)
})
