// One HTTP/1.1 connection over TLS that has at most one request under way: no pipelining, keep-alive always. It knows
// only what the servers measured here answer (a length, no chunks), so that the generator costs less than the server.
import tls from 'node:tls'

const HEAD_END = Buffer.from('\r\n\r\n')

/** Resolves when the handshake is done. Certificates are verified against `ca`. */
export function connect({ port, serverName, ca }) {
  const { promise, resolve, reject } = Promise.withResolvers()
  const socket = tls.connect(
    { host: '127.0.0.1', port, servername: serverName, ca, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] },
    () => {
      socket.off('error', reject)
      socket.setNoDelay(true)
      resolve(new Connection(socket))
    },
  )
  socket.once('error', reject)
  return promise
}

export class Connection {
  #socket
  #received = []
  #receivedBytes = 0
  /** Bytes of the answer under way, head included; 0 until its head has come. */
  #expectedBytes = 0
  #onAnswer
  #onFailure

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** What the handshake agreed on; both servers of a comparison must show the same. */
  get tlsFacts() {
    const certificate = this.#socket.getPeerCertificate()
    return `${this.#socket.getProtocol()} ${this.#socket.getCipher().name} ${certificate.nistCurve ?? `RSA-${certificate.bits}`}`
  }

  /**
   * Sends the bytes of one request and calls back once with the bytes of its whole answer, or with the failure. Both
   * are plain callbacks because a promise per request would show in the generator's share of the cores.
   */
  send(request, onAnswer, onFailure) {
    if (this.#onAnswer !== undefined) throw new Error('a request is under way on this connection already')
    this.#onAnswer = onAnswer
    this.#onFailure = onFailure
    this.#socket.write(request, 'latin1')
  }

  close() {
    this.#onAnswer = undefined
    this.#onFailure = undefined
    this.#socket.destroy()
  }

  #take(chunk) {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    if (this.#expectedBytes === 0 || this.#receivedBytes >= this.#expectedBytes) this.#finish()
  }

  #finish() {
    const bytes = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received)
    if (this.#expectedBytes === 0) {
      const headBytes = bytes.indexOf(HEAD_END) + HEAD_END.length
      if (headBytes < HEAD_END.length) return
      const bodyBytes = bodyLength(bytes.latin1Slice(0, headBytes))
      if (bodyBytes === undefined) return this.#fail(new Error('the answer has no content-length'))
      this.#expectedBytes = headBytes + bodyBytes
      if (bytes.length < this.#expectedBytes) return
    }
    if (bytes.length > this.#expectedBytes) return this.#fail(new Error('more bytes came than the answer has'))
    const onAnswer = this.#onAnswer
    this.#received = []
    this.#receivedBytes = 0
    this.#expectedBytes = 0
    this.#onAnswer = undefined
    this.#onFailure = undefined
    onAnswer?.(bytes)
  }

  #fail(error) {
    const onFailure = this.#onFailure
    this.#onAnswer = undefined
    this.#onFailure = undefined
    onFailure?.(error)
    this.#socket.destroy()
  }
}

/** Body bytes that follow this head; undefined where the head does not tell. */
export function bodyLength(head) {
  const match = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)
  if (match !== null) return Number(match[1])
  return /^HTTP\/1\.1 (204|304) /.test(head) ? 0 : undefined
}

export function statusOf(answer) {
  return (answer[9] - 48) * 100 + (answer[10] - 48) * 10 + (answer[11] - 48)
}

export function bodyOf(answer) {
  return answer.utf8Slice(answer.indexOf(HEAD_END) + HEAD_END.length)
}

/** Sends one request on a connection of its own, for everything around the measured part. */
export async function requestOnce({ port, serverName, ca, method, path, headers = {}, body }) {
  const connection = await connect({ port, serverName, ca })
  try {
    const { promise, resolve, reject } = Promise.withResolvers()
    connection.send(requestBytes({ method, path, host: `${serverName}:${port}`, headers, body }), resolve, reject)
    const bytes = await promise
    return { status: statusOf(bytes), bytes, body: bodyOf(bytes), tlsFacts: connection.tlsFacts }
  } finally {
    connection.close()
  }
}

/** The request as a latin1 string; bodies measured here are ASCII. */
export function requestBytes({ method, path, host, headers = {}, body }) {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}
