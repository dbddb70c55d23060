import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type Server, type TLSSocket } from 'node:tls'
import { writeServerCertificate } from '../formats/x509-certificate.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import {
  FILE_CHECK_INTERVAL_MS,
  fileTlsSource,
  type LiveTls,
  LOCAL_CHECK_INTERVAL_MS,
  localTlsSource,
  openLiveTls,
  readTlsFiles,
  TICKET_KEY_LIFETIME_MS,
  type TlsMaterial,
  TlsMaterialProblem,
  tlsOptionsOf,
} from './tls-material.ts'

const NOW_MS = Date.now()
const MS_PER_DAY = 86_400_000
const TIMEOUT_MS = 30_000

interface Issued {
  readonly certificatePem: string
  readonly keyPem: string
  readonly privateKey: KeyObject
  readonly material: TlsMaterial
}

/** A certificate that is its own authority. */
function issue({ from = -1, to = 30 }: { from?: number; to?: number } = {}): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const commonName = `test ${randomBytes(4).toString('hex')}`
  const notAfterMs = NOW_MS + to * MS_PER_DAY
  const certificatePem = writeServerCertificate({
    serial: randomBytes(16),
    commonName,
    notBeforeMs: NOW_MS + from * MS_PER_DAY,
    notAfterMs,
    publicKey,
    issuer: { commonName, privateKey },
    names: ['localhost'],
  })
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const material = { certificateChainPem: certificatePem, privateKeyPem: SecretBytes.fromText(keyPem), notAfterMs }
  return { certificatePem, keyPem, privateKey, material }
}

/** A clock whose waits end only when the test says so; it emits `waiting` whenever something starts to wait. */
function movableClock() {
  let now = NOW_MS
  const events = new EventEmitter()
  const waits = new Set<{ readonly at: number; readonly callback: () => void }>()
  return {
    nowMs: () => now,
    after(delayMs: number, callback: () => void) {
      const wait = { at: now + delayMs, callback }
      waits.add(wait)
      events.emit('waiting')
      return () => void waits.delete(wait)
    },
    advance(ms: number) {
      now += ms
      for (const wait of [...waits]) {
        if (wait.at > now || !waits.delete(wait)) continue
        wait.callback()
      }
    },
    waiting: () => waits.size,
    events,
  }
}

let folder: string
let certFile: string
let keyFile: string
const cleanUps: (() => unknown)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhaven-tls-'))
  certFile = join(folder, 'cert.pem')
  keyFile = join(folder, 'key.pem')
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  await rm(folder, { recursive: true, force: true })
})

async function write({ certificatePem, keyPem }: { certificatePem: string; keyPem: string }): Promise<void> {
  await writeFile(certFile, certificatePem)
  await writeFile(keyFile, keyPem)
}

async function listen(live: Pick<LiveTls, 'options' | 'attach'>): Promise<{ server: Server; port: number }> {
  const server = createServer(live.options(), (incoming, response) => {
    incoming.resume().once('end', () => response.end('hello'))
  })
  server.on('tlsClientError', () => {})
  live.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { server, port: address.port }
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false, ...options })
  cleanUps.push(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function servedFingerprint(port: number): Promise<string> {
  const socket = await handshake(port)
  return socket.getPeerX509Certificate()?.fingerprint256 ?? assert.fail('no certificate')
}

const fingerprintOf = ({ certificatePem }: Issued) => new X509Certificate(certificatePem).fingerprint256

describe('files that can not be used are refused with what to do', { timeout: TIMEOUT_MS }, () => {
  async function problemOf(passphrase?: string): Promise<TlsMaterialProblem> {
    const files = {
      certFile,
      keyFile,
      ...(passphrase === undefined ? {} : { passphrase: SecretBytes.fromText(passphrase) }),
    }
    try {
      await readTlsFiles(files, NOW_MS)
    } catch (error) {
      assert.ok(error instanceof TlsMaterialProblem, String(error))
      return error
    }
    return assert.fail('the files were accepted')
  }

  const encrypted = (privateKey: KeyObject) =>
    privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' }).toString()

  test('a file that is missing', async () => {
    await write(issue())
    await rm(keyFile)
    const problem = await problemOf()
    assert.equal(problem.kind, 'unreadable')
    assert.match(problem.message, /key\.pem can't be read: ENOENT/)
  })

  test('a file that is far too large', async () => {
    await write({ ...issue(), certificatePem: 'x'.repeat(2 * 1024 * 1024) })
    assert.equal((await problemOf()).kind, 'unreadable')
  })

  test('a certificate file without a certificate', async () => {
    await write({ ...issue(), certificatePem: 'nothing' })
    assert.equal((await problemOf()).kind, 'notCertificate')
  })

  test('a certificate that is cut off', async () => {
    const issued = issue()
    await write({ ...issued, certificatePem: issued.certificatePem.replace(/\n.{64}\n/, '\n') })
    assert.equal((await problemOf()).kind, 'notCertificate')
  })

  test('a key file without a key, of which nothing is quoted', async () => {
    await write({ ...issue(), keyPem: '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n' })
    const problem = await problemOf()
    assert.equal(problem.kind, 'notKey')
    assert.ok(!`${problem.message} ${String(problem.cause)}`.includes('c2VjcmV0'))
  })

  test('a key of another certificate', async () => {
    await write({ ...issue(), keyPem: issue().keyPem })
    const problem = await problemOf()
    assert.equal(problem.kind, 'keyMismatch')
    assert.match(problem.message, /does not belong to the certificate/)
  })

  test('a certificate that has expired', async () => {
    await write(issue({ from: -10, to: -1 }))
    const problem = await problemOf()
    assert.equal(problem.kind, 'expired')
    assert.match(problem.message, /expired on \d{4}-/)
  })

  test('a certificate that is not valid yet', async () => {
    await write(issue({ from: 1, to: 10 }))
    assert.equal((await problemOf()).kind, 'notYetValid')
  })

  test('an encrypted key without a passphrase', async () => {
    const issued = issue()
    await write({ ...issued, keyPem: encrypted(issued.privateKey) })
    const problem = await problemOf()
    assert.equal(problem.kind, 'keyEncrypted')
    assert.match(problem.message, /no passphrase was given/)
  })

  test('an encrypted key with another passphrase', async () => {
    const issued = issue()
    await write({ ...issued, keyPem: encrypted(issued.privateKey) })
    const problem = await problemOf('open barley')
    assert.equal(problem.kind, 'keyEncrypted')
    assert.match(problem.message, /does not open the key/)
  })

  test('a key too weak for TLS', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const certificatePem = writeServerCertificate({
      serial: randomBytes(16),
      commonName: 'weak',
      notBeforeMs: NOW_MS - MS_PER_DAY,
      notAfterMs: NOW_MS + MS_PER_DAY,
      publicKey: weak.publicKey,
      issuer: { commonName: 'issuer', privateKey },
      names: ['localhost'],
    })
    await write({ certificatePem, keyPem: weak.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() })
    const problem = await problemOf()
    assert.equal(problem.kind, 'refusedByTls')
    assert.match(problem.message, /can't be used for TLS: .*key too small/)
  })

  test('while an encrypted key with its passphrase is taken', async () => {
    const issued = issue()
    await write({ ...issued, keyPem: encrypted(issued.privateKey) })
    const material = await readTlsFiles({ certFile, keyFile, passphrase: SecretBytes.fromText('open sesame') }, NOW_MS)
    assert.equal(material.privateKeyPem.revealText(), issued.keyPem)
    assert.equal(material.notAfterMs, Math.floor((NOW_MS + 30 * MS_PER_DAY) / 1000) * 1000)
  })
})

describe('protocol', { timeout: TIMEOUT_MS }, () => {
  const serve = (material: TlsMaterial) => listen({ options: () => tlsOptionsOf(material), attach: () => {} })

  test('TLS 1.3 is spoken first', async () => {
    const { port } = await serve(issue().material)
    assert.equal((await handshake(port)).getProtocol(), 'TLSv1.3')
  })

  test('TLS 1.2 is spoken with forward secrecy only', async () => {
    const { port } = await serve(issue().material)
    const socket = await handshake(port, { maxVersion: 'TLSv1.2' })
    assert.equal(socket.getProtocol(), 'TLSv1.2')
    assert.match(socket.getCipher().standardName, /^TLS_ECDHE_/)
  })

  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    test(`${version} is refused`, async () => {
      const { port } = await serve(issue().material)
      // Security level 0 makes the client really offer it.
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
      await assert.rejects(handshake(port, old), { code: /ALERT_PROTOCOL_VERSION/ })
    })
  }

  for (const ciphers of ['AES128-GCM-SHA256', 'AES256-SHA', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384']) {
    test(`a client that offers ${ciphers} alone is refused`, async () => {
      const { port } = await serve(issue().material)
      await assert.rejects(handshake(port, { maxVersion: 'TLSv1.2', ciphers }), { code: /HANDSHAKE_FAILURE/ })
    })
  }

  test('the server chooses the suite', async () => {
    const { port } = await serve(issue().material)
    const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384'
    const socket = await handshake(port, { maxVersion: 'TLSv1.2', ciphers })
    assert.equal(socket.getCipher().name, 'ECDHE-ECDSA-AES256-GCM-SHA384')
  })
})

describe('material that changes while the server runs', { timeout: TIMEOUT_MS }, () => {
  interface Watched {
    readonly live: LiveTls
    readonly clock: ReturnType<typeof movableClock>
    readonly problems: unknown[]
    readonly signals: EventEmitter
    readonly port: number
    /** Moves the clock to the next look and waits until it has been taken. */
    look(): Promise<void>
  }

  async function watchFiles(): Promise<Watched> {
    const clock = movableClock()
    return watch(clock, fileTlsSource({ certFile, keyFile }, clock))
  }

  async function watch(clock: Watched['clock'], source: Parameters<typeof openLiveTls>[0]['source']): Promise<Watched> {
    const problems: unknown[] = []
    const signals = new EventEmitter()
    const live = await openLiveTls({ source, clock, signals, onProblem: (problem) => problems.push(problem) })
    cleanUps.push(() => live.close())
    const { port } = await listen(live)
    const look = async () => {
      // The next wait begins when this look is over.
      const isOver = once(clock.events, 'waiting')
      clock.advance(source.checkIntervalMs)
      await isOver
    }
    return { live, clock, problems, signals, port, look }
  }

  test('new files are served without a restart, and open connections go on', async () => {
    const [before, after] = [issue(), issue()]
    await write(before)
    const { port, look, problems } = await watchFiles()
    const open = request({ host: '127.0.0.1', port, rejectUnauthorized: false, method: 'POST' })
    open.flushHeaders()
    const [socket] = await once(open, 'socket')
    await once(socket, 'secureConnect')
    assert.equal(await servedFingerprint(port), fingerprintOf(before))
    await write(after)
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
    open.end()
    const [response] = await once(open, 'response')
    assert.equal(response.statusCode, 200)
    response.resume()
    assert.deepEqual(problems, [])
  })

  test('a broken new file keeps the old one and is reported once', async () => {
    const [before, after] = [issue(), issue()]
    await write(before)
    const { port, look, problems } = await watchFiles()
    await writeFile(certFile, after.certificatePem)
    await look()
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(before))
    assert.deepEqual(
      problems.map((p) => p instanceof TlsMaterialProblem && p.kind),
      ['keyMismatch'],
    )
    await writeFile(keyFile, after.keyPem)
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
    assert.equal(problems.length, 1)
  })

  test('files that vanish keep the old ones, and are taken when they are back', async () => {
    const [before, after] = [issue(), issue()]
    await write(before)
    const { port, look, problems } = await watchFiles()
    await rm(certFile)
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(before))
    await write(after)
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
    assert.deepEqual(
      problems.map((p) => p instanceof TlsMaterialProblem && p.kind),
      ['unreadable'],
    )
  })

  test('a file replaced by renaming another over it is noticed', async () => {
    const [before, after] = [issue(), issue()]
    await write(before)
    const { port, look } = await watchFiles()
    for (const [file, text] of [
      [certFile, after.certificatePem],
      [keyFile, after.keyPem],
    ] as const) {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    }
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
  })

  test('SIGHUP loads at once', async () => {
    const [before, after] = [issue(), issue()]
    await write(before)
    const { port, signals, live } = await watchFiles()
    await write(after)
    signals.emit('SIGHUP')
    await live.reload()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
  })

  test('SIGHUP reports a broken file again', async () => {
    await write(issue())
    const { problems, live } = await watchFiles()
    await writeFile(keyFile, 'nothing')
    await live.reload()
    await live.reload()
    assert.equal(problems.length, 2)
  })

  test('a start with broken files is refused', async () => {
    await write({ ...issue(), keyPem: 'nothing' })
    await assert.rejects(watchFiles(), TlsMaterialProblem)
  })

  test('what the local authority renewed is served at the next look', async () => {
    const [before, after] = [issue(), issue()]
    let current = before.material
    const clock = movableClock()
    const { port, look, problems } = await watch(
      clock,
      localTlsSource(async () => current),
    )
    assert.equal(await servedFingerprint(port), fingerprintOf(before))
    current = after.material
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
    assert.deepEqual(problems, [])
  })

  test('a local authority that fails keeps the old material and is asked again', async () => {
    const [before, after] = [issue(), issue()]
    let answer = () => Promise.resolve(before.material)
    const clock = movableClock()
    const { port, look, problems } = await watch(
      clock,
      localTlsSource(() => answer()),
    )
    answer = () => Promise.reject(new Error('the store is away'))
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(before))
    assert.equal(problems.length, 1)
    answer = () => Promise.resolve(after.material)
    await look()
    assert.equal(await servedFingerprint(port), fingerprintOf(after))
  })

  async function session(port: number): Promise<Buffer> {
    const socket = await handshake(port, { maxVersion: 'TLSv1.2' })
    const ticket = socket.getSession() ?? assert.fail('no session')
    return ticket
  }

  async function isResumed(port: number, ticket: Buffer): Promise<boolean> {
    return (await handshake(port, { session: ticket, maxVersion: 'TLSv1.2' })).isSessionReused()
  }

  test('sessions are resumed for a day at most, although the certificate stays', async () => {
    const { material } = issue()
    const clock = movableClock()
    const { port, look } = await watch(
      clock,
      localTlsSource(async () => material),
    )
    const ticket = await session(port)
    await look()
    assert.equal(await isResumed(port, ticket), true)
    for (let looks = 1; looks * LOCAL_CHECK_INTERVAL_MS < TICKET_KEY_LIFETIME_MS; looks++) await look()
    assert.equal(await isResumed(port, ticket), false)
  })

  test('nothing waits and no signal is listened to once closed', async () => {
    await write(issue())
    const { live, clock, signals } = await watchFiles()
    assert.equal(clock.waiting(), 1)
    live.close()
    clock.advance(FILE_CHECK_INTERVAL_MS)
    assert.equal(clock.waiting(), 0)
    assert.equal(signals.listenerCount('SIGHUP'), 0)
  })
})
