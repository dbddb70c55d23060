import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { writeAuthorityCertificate, writeServerCertificate } from '../formats/x509-certificate.ts'
import { type ConnectProxy, type ConnectProxyOptions, createConnectProxy, ownNamesOf } from './connect-proxy.ts'

const run = promisify(execFile)
const TIMEOUT_MS = 60_000
const NAMES = [
  '*.vault.localhost',
  'login.localhost',
  'localhost',
  '*.vault.azure.net',
  'login.microsoftonline.com',
  '127.0.0.1',
]

const folder = mkdtempSync(join(tmpdir(), 'keyhaven-proxy-'))
const caFile = join(folder, 'ca.pem')
after(() => rmSync(folder, { recursive: true, force: true }))

const certificates = (() => {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const times = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
  const commonName = 'Proxy test authority'
  const caPem = writeAuthorityCertificate({
    ...times,
    serial: randomBytes(16),
    commonName,
    privateKey: authority.privateKey,
    permitted: { dnsNames: ['localhost', 'azure.net', 'microsoftonline.com'], addresses: ['127.0.0.1'] },
  })
  const certificatePem = writeServerCertificate({
    ...times,
    serial: randomBytes(16),
    commonName: 'Proxy test server',
    publicKey: server.publicKey,
    issuer: { commonName, privateKey: authority.privateKey },
    names: NAMES,
  })
  writeFileSync(caFile, caPem)
  return { caPem, certificatePem, keyPem: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) }
})()

/** What the tunnels end at: answers with the host it was asked for and the address it sees. */
const listener = createHttpsServer(
  { cert: certificates.certificatePem, key: certificates.keyPem },
  (request, response) => {
    request
      .resume()
      .once('end', () => response.end(`you asked ${request.headers.host} from ${request.socket.remoteAddress}`))
  },
)
listener.on('tlsClientError', () => {})
after(() => listener.closeAllConnections())

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

async function startProxy(options: Partial<ConnectProxyOptions> = {}): Promise<{ port: number; proxy: ConnectProxy }> {
  const proxy = createConnectProxy({
    ownsHost: ownNamesOf(NAMES, 'localhost', () => 8443),
    terminate: (socket) => void listener.emit('connection', socket),
    allowOthers: false,
    ...options,
  })
  cleanUps.push(() => proxy.close())
  return { proxy, port: await proxy.listen({ port: 0 }) }
}

/** A server outside: sends back what it gets, and its last word when the client has finished. */
async function startOther(onConnection: (socket: Socket) => void = (socket) => socket.pipe(socket)): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return portOf(server)
}

function open(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.on('error', () => socket.destroy())
  cleanUps.push(() => socket.destroy())
  return socket
}

/** Everything the other side sends until it ends. */
async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

/** Opens a connection, sends the text, and answers all that came back. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = open(port)
  socket.write(text)
  return textOf(socket)
}

async function establish(port: number, target: string): Promise<Socket> {
  const socket = open(port)
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  const [chunk] = await once(socket, 'data')
  socket.pause()
  const [head, ...rest] = String(chunk).split(/(?<=\r\n\r\n)/)
  assert.equal(head, 'HTTP/1.1 200 Connection Established\r\n\r\n')
  if (rest.length > 0) socket.unshift(Buffer.from(rest.join('')))
  return socket
}

async function getThrough(socket: Socket, name: string, host = name): Promise<string> {
  const tls = connectTls({ socket, servername: name, ca: certificates.caPem })
  await once(tls, 'secureConnect')
  tls.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  return textOf(tls)
}

const statusLineOf = (answer: string) => answer.split('\r\n')[0]

describe('tunnels to names of this server', { timeout: TIMEOUT_MS }, () => {
  test('end at the listener, which sees the name and verifies as it', async () => {
    const { port } = await startProxy()
    for (const [name, at] of [
      ['dev.vault.azure.net', 443],
      ['login.microsoftonline.com', 443],
      ['dev.vault.localhost', 8443],
      ['login.localhost', 9999],
    ] as const) {
      const socket = await establish(port, `${name}:${at}`)
      assert.match(
        await getThrough(socket, name, `${name}:${at}`),
        new RegExp(`you asked ${name}:${at} from 127.0.0.1`),
      )
    }
  })

  test('may be named in any letter case and with a final dot', async () => {
    const { port } = await startProxy()
    const socket = await establish(port, 'DEV.Vault.Azure.NET.:443')
    assert.match(await getThrough(socket, 'dev.vault.azure.net'), /200 OK/)
  })

  test('lose nothing of what a client sends before it has an answer', async () => {
    const { port } = await startProxy()
    // The handshake's first message travels in the same packet as the request.
    const hello = await clientHello('dev.vault.azure.net')
    const socket = open(port)
    socket.write(Buffer.concat([Buffer.from('CONNECT dev.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n'), hello]))
    const chunks: Buffer[] = []
    const received = new Promise<Buffer>((resolve) => {
      socket.on('data', (chunk) => {
        chunks.push(chunk)
        const all = Buffer.concat(chunks)
        if (all.length > all.indexOf('\r\n\r\n') + 4 + 1) resolve(all)
      })
    })
    const all = await received
    const recordType = all[all.indexOf('\r\n\r\n') + 4]
    assert.equal(recordType, 22, 'the answer to a ClientHello is a handshake record, not an alert')
  })

  test('work for the fetch of a Node that takes its proxy from the environment', async () => {
    const { port } = await startProxy()
    const { stdout } = await run(
      process.execPath,
      ['-e', "fetch('https://dev.vault.azure.net/secrets').then((r) => r.text()).then(console.log)"],
      {
        env: {
          PATH: process.env.PATH,
          NODE_USE_ENV_PROXY: '1',
          HTTPS_PROXY: `http://127.0.0.1:${port}`,
          NODE_EXTRA_CA_CERTS: caFile,
        },
        timeout: TIMEOUT_MS,
      },
    )
    assert.match(stdout, /you asked dev\.vault\.azure\.net/)
  })

  const curl = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not on this machine'
  test('work for curl', { skip: curl }, async () => {
    const { port } = await startProxy()
    const { stdout } = await run(
      'curl',
      [
        '-sS',
        '--noproxy',
        '',
        '-x',
        `http://127.0.0.1:${port}`,
        '--cacert',
        caFile,
        'https://dev.vault.azure.net/keys',
      ],
      { timeout: TIMEOUT_MS },
    )
    assert.equal(stdout, 'you asked dev.vault.azure.net from 127.0.0.1')
  })

  test('are closed at the listener when the client goes', async () => {
    const ended: Promise<unknown>[] = []
    const { port } = await startProxy({
      terminate: (socket) => {
        ended.push(once(socket, 'close'))
        listener.emit('connection', socket)
      },
    })
    const socket = await establish(port, 'dev.vault.azure.net:443')
    const tls = connectTls({ socket, servername: 'dev.vault.azure.net', ca: certificates.caPem })
    await once(tls, 'secureConnect')
    socket.resetAndDestroy()
    await Promise.all(ended)
    assert.equal(ended.length, 1)
  })

  test('that begin with no TLS are closed without harm', async () => {
    const { port } = await startProxy()
    const socket = await establish(port, 'dev.vault.azure.net:443')
    socket.end('GET / HTTP/1.1\r\n\r\n')
    await textOf(socket)
    assert.match(await getThrough(await establish(port, 'dev.vault.azure.net:443'), 'dev.vault.azure.net'), /200 OK/)
  })
})

describe('which names are this server', () => {
  const owns = ownNamesOf(NAMES, 'localhost', () => 8443)
  for (const [host, port, isOwn] of [
    ['dev.vault.localhost', 8443, true],
    ['dev.vault.localhost', 1, true],
    ['dev.vault.azure.net', 443, true],
    ['dev.vault.azure.net', 8443, false],
    ['vault.azure.net', 443, false],
    ['evil-vault.azure.net', 443, false],
    ['dev.vault.azure.net.evil.example', 443, false],
    ['login.microsoftonline.com', 443, true],
    ['login.microsoftonline.com', 80, false],
    ['localhost', 8443, true],
    ['localhost', 443, false],
    ['localhost', 3000, false],
    ['127.0.0.1', 8443, true],
    ['127.0.0.1', 22, false],
    ['10.0.0.1', 8443, false],
    ['azure.microsoft.com', 443, false],
  ] as const) {
    test(`${host}:${port} is ${isOwn ? 'ours' : 'not ours'}`, () => assert.equal(owns(host, port), isOwn))
  }
})

describe('tunnels to other hosts', { timeout: TIMEOUT_MS }, () => {
  test('are refused with a sentence', async () => {
    const { port } = await startProxy()
    const answer = await exchange(port, 'CONNECT azure.microsoft.com:443 HTTP/1.1\r\nHost: a\r\n\r\n')
    assert.equal(statusLineOf(answer), 'HTTP/1.1 502 Bad Gateway')
    assert.match(
      answer,
      /azure\.microsoft\.com:443 is not one of this server's names, and tunnels to other hosts are not/,
    )
  })

  test('carry both directions when all are allowed, and an end of one direction is passed on', async () => {
    const other = await startOther((socket) => {
      socket.once('end', () => socket.end(' goodbye'))
      socket.pipe(socket, { end: false })
    })
    const { port } = await startProxy({ allowOthers: true })
    const socket = await establish(port, `127.0.0.1:${other}`)
    socket.end('hello')
    assert.equal(await textOf(socket), 'hello goodbye')
  })

  test('lose nothing of what a client sends before it has an answer', async () => {
    const other = await startOther()
    const { port } = await startProxy({ allowOthers: true })
    const socket = open(port)
    socket.end(`CONNECT 127.0.0.1:${other} HTTP/1.1\r\nHost: a\r\n\r\nearly`)
    assert.match(await textOf(socket), /\r\n\r\nearly$/)
  })

  test('pass on a large answer completely', async () => {
    const size = 4 * 1024 * 1024
    const other = await startOther((socket) => socket.end(Buffer.alloc(size, 'x')))
    const { port } = await startProxy({ allowOthers: true })
    const socket = await establish(port, `127.0.0.1:${other}`)
    socket.end()
    assert.equal((await textOf(socket)).length, size)
  })

  test('are limited to those listed, on 443 unless another port is', async () => {
    const other = await startOther()
    const { port } = await startProxy({ allowOthers: [`127.0.0.1:${other}`, '*.example.org', 'example.net'] })
    await establish(port, `127.0.0.1:${other}`)
    for (const target of ['127.0.0.1:443', 'example.org:443', 'www.example.org:8443', 'evilexample.net:443']) {
      const answer = await exchange(port, `CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 502 .*not one of this server's names/s)
    }
  })

  test('say so when the host can not be reached', async () => {
    const gone = await startOther()
    await cleanUps.pop()?.()
    const { port } = await startProxy({ allowOthers: true })
    const answer = await exchange(port, `CONNECT 127.0.0.1:${gone} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 502 .*can't be reached: ECONNREFUSED/s)
  })

  test('end when nothing was said for too long', async () => {
    const other = await startOther(() => {})
    const { port } = await startProxy({ allowOthers: true, limits: { idleTimeoutMs: 20 } })
    const socket = await establish(port, `127.0.0.1:${other}`)
    assert.equal(await textOf(socket).catch(() => ''), '')
  })

  test('survive a reset of either side', async () => {
    const remotes: Socket[] = []
    const other = await startOther((socket) => void remotes.push(socket))
    const { port } = await startProxy({ allowOthers: true })
    const first = await establish(port, `127.0.0.1:${other}`)
    first.resetAndDestroy()
    const second = await establish(port, `127.0.0.1:${other}`)
    remotes.at(-1)?.resetAndDestroy()
    assert.equal(await textOf(second), '')
    await establish(port, `127.0.0.1:${other}`)
  })
})

describe('requests that are no CONNECT', { timeout: TIMEOUT_MS }, () => {
  const cases = [
    [
      'plain HTTP for another server',
      'GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n',
      405,
      /HTTPS only/,
    ],
    ['a browser that opens the port', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 400, /not a web server/],
    ['CONNECT without a port', 'CONNECT dev.vault.azure.net HTTP/1.1\r\nHost: a\r\n\r\n', 400, /host name and a port/],
    ['CONNECT to port 0', 'CONNECT dev.vault.azure.net:0 HTTP/1.1\r\nHost: a\r\n\r\n', 400, /host name and a port/],
    ['CONNECT to port 65536', 'CONNECT dev.vault.azure.net:65536 HTTP/1.1\r\nHost: a\r\n\r\n', 400, /host name and/],
    ['CONNECT to a path', 'CONNECT dev.vault.azure.net/a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 400, /host name and a port/],
    ['a TLS handshake', Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0]).toString('latin1'), 400, /not a CONNECT request/],
    ['headers that are too large', `CONNECT a:443 HTTP/1.1\r\nX: ${'x'.repeat(9000)}\r\n\r\n`, 431, /more than 8192/],
  ] as const
  for (const [what, text, status, sentence] of cases) {
    test(`${what} is answered ${status}`, async () => {
      const { port } = await startProxy()
      const answer = await exchange(port, text)
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.match(answer, sentence)
    })
  }

  test('a request that never ends is answered 408', async () => {
    const { port } = await startProxy({ limits: { headerTimeoutMs: 50 } })
    assert.match(await exchange(port, 'CONNECT dev.vault.azure.net:443 HTTP/1.1\r\n'), /^HTTP\/1\.1 408 /)
  })
})

describe('limits and listening', { timeout: TIMEOUT_MS }, () => {
  test('one tunnel too many is refused, and there is room again when one has ended', async () => {
    const other = await startOther()
    const { port } = await startProxy({ allowOthers: true, limits: { maxTunnels: 1 } })
    const target = `127.0.0.1:${other}`
    const first = await establish(port, target)
    const answer = await exchange(port, `CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 503 .*1 tunnels are open already/s)
    first.end()
    await textOf(first)
    await establish(port, target)
  })

  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'example.org']) {
    test(`listening on ${host} is refused unless allowed`, async () => {
      const proxy = createConnectProxy({ ownsHost: () => false, terminate: () => {}, allowOthers: false })
      await assert.rejects(proxy.listen({ port: 0, host }), /does not listen on/)
    })
  }

  test('listening elsewhere works once it is allowed', async () => {
    const proxy = createConnectProxy({ ownsHost: () => false, terminate: () => {}, allowOthers: false })
    cleanUps.push(() => proxy.close())
    assert.ok((await proxy.listen({ port: 0, host: '0.0.0.0', allowNonLoopback: true })) > 0)
  })

  test('a port in use is an error', async () => {
    const { port } = await startProxy()
    const proxy = createConnectProxy({ ownsHost: () => false, terminate: () => {}, allowOthers: false })
    await assert.rejects(proxy.listen({ port }), { code: 'EADDRINUSE' })
  })

  test('closing ends the tunnels that lead elsewhere and stops listening', async () => {
    const other = await startOther()
    const { port, proxy } = await startProxy({ allowOthers: true })
    const socket = await establish(port, `127.0.0.1:${other}`)
    proxy.close()
    assert.equal(await textOf(socket), '')
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
  })
})

/** The bytes a TLS client sends first. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectTls({ host: '127.0.0.1', port: portOf(server), servername })
  client.on('error', () => client.destroy())
  const [socket] = await once(server, 'connection')
  const [hello] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  server.close()
  assert.ok(client instanceof TLSSocket && Buffer.isBuffer(hello))
  return hello
}
