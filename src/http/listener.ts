/**
 * The sockets: one HTTPS server on 127.0.0.1 and ::1 (or the configured addresses). What Node refuses by itself, such as
 * a request that is too slow or no HTTP at all, is answered in the service's form too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { MAX_HEADER_BYTES, REQUEST_ARRIVAL_MS } from '../domain/limits/limits.ts'
import { refuse } from '../errors/refusal.ts'
import { isLocalHost } from './host-names.ts'
import { renderVaultError } from './render/vault-error.ts'

/** Told of what the listener refuses by itself. Does not reject. */
type OnRefusal = (status: number, address: string) => Promise<void>
type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const KEEP_ALIVE_MS = 65_000
/** How long a client may leave an answer unread. */
const SILENCE_MS = 120_000
/** How long a refused connection may take to read why. */
const REFUSAL_MS = 2_000
/** Of one listener; each costs some tens of KiB, so a flood ends here and not with the memory. */
const MAX_CONNECTIONS = 10_000
/** How long running requests may take to end when the server stops. */
const CLOSE_GRACE_MS = 10_000
const MISDIRECTED = 421

/** Open connections of each server; Node itself knows only those that got as far as HTTP. */
const connections = new WeakMap<HttpServer | HttpsServer, Set<Socket>>()

const arrival = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: REQUEST_ARRIVAL_MS,
  requestTimeout: REQUEST_ARRIVAL_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: 5_000,
  // We read the Host header ourselves, and answer a missing one as an unknown host.
  requireHostHeader: false,
}

export function createTlsListener(tls: ServerOptions, handler: Handler, onRefusal: OnRefusal): HttpsServer {
  const server = createHttpsServer({ handshakeTimeout: REQUEST_ARRIVAL_MS, ...tls, ...arrival })
  answerRequests(server, handler, onRefusal)
  // Without a handshake nothing can be answered, and an end that waits for one would keep the connection for good.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

/**
 * For the local endpoints without TLS. Where no certificate proves the name, a browser could be led here under the name
 * of somebody's web site, whose pages could then read every answer: other names than this machine's own are refused.
 */
export function createPlainListener(handler: Handler, onRefusal: OnRefusal): HttpServer {
  const server = createHttpServer(arrival)
  const answerLocal: Handler = async (request, response) => {
    if (isLocalHost(request.headers.host)) return handler(request, response)
    await onRefusal(MISDIRECTED, request.socket.remoteAddress ?? '')
    const text = 'This address answers to localhost and to IP addresses only.'
    response.writeHead(MISDIRECTED, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
    response.end(`${text}\n`)
  }
  answerRequests(server, answerLocal, onRefusal)
  return server
}

function answerRequests(server: HttpServer | HttpsServer, handler: Handler, onRefusal: OnRefusal): void {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    dropRepeated(request)
    handler(request, response).catch((error: unknown) => {
      // Handlers do not reject; if one does all the same, one client goes without an answer and the others go on.
      process.emitWarning(error instanceof Error ? error : String(error))
      response.destroy()
    })
  }
  const open = new Set<Socket>()
  connections.set(server, open)
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', answer)
  // An expectation that nobody knows is ignored (RFC 9110, section 10.1.1). Node by itself would answer 417, unrecorded.
  server.on('checkExpectation', answer)
  server.timeout = SILENCE_MS
  server.maxConnections = MAX_CONNECTIONS
  answerProtocolErrors(server, onRefusal)
}

/** Headers that decide who asks and for what. */
const ONCE_ONLY = ['host', 'authorization'] as const

/**
 * A request that has one of them twice has none of it: Node would take the first one, and whatever stands before this
 * server may have looked at another one.
 */
function dropRepeated({ rawHeaders, headers }: IncomingMessage): void {
  for (const name of ONCE_ONLY) {
    let count = 0
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const header = rawHeaders[index]
      if (header?.length === name.length && header.toLowerCase() === name) count++
    }
    // Empty, not absent: a request without a Host is not the same as one with two.
    if (count > 1) headers[name] = ''
  }
}

function answerProtocolErrors(server: HttpServer | HttpsServer, onRefusal: OnRefusal): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const [status, words, refusal] =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout', refuse('BodyTooSlow')]
        : error.code === 'HPE_HEADER_OVERFLOW'
          ? [431, 'Request Header Fields Too Large', refuse('HeadersTooLarge')]
          : [400, 'Bad Request', refuse('NotHttp')]
    const body = renderVaultError(refusal.public)
    // A client that keeps its own side open, or goes on sending, is not waited for.
    setTimeout(() => socket.destroy(), REFUSAL_MS).unref()
    const answer = [
      `HTTP/1.1 ${status} ${words}`,
      'Cache-Control: no-cache',
      'X-Content-Type-Options: nosniff',
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n')
    // Answered in this turn, before a handler that has seen the headers answers them; the record is written at its end.
    void onRefusal(status, socket.remoteAddress ?? '')
    socket.end(answer)
  })
}

/** Listens and answers the port, which the system chose where 0 was asked for. */
export async function listen(server: HttpServer | HttpsServer, port: number, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: address }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return (server.address() as AddressInfo).port
}

/** Stops taking connections, closes idle ones, and lets running requests end, though not for longer than the grace. */
export async function closeListener(server: HttpServer | HttpsServer): Promise<void> {
  if (!server.listening) return
  const grace = setTimeout(() => {
    for (const socket of connections.get(server) ?? []) socket.destroy()
  }, CLOSE_GRACE_MS)
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
    server.closeIdleConnections()
  })
  clearTimeout(grace)
}
