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
import { renderVaultError } from './render/vault-error.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const KEEP_ALIVE_MS = 65_000

const arrival = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: REQUEST_ARRIVAL_MS,
  requestTimeout: REQUEST_ARRIVAL_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: 5_000,
  // We read the Host header ourselves, and answer a missing one as an unknown host.
  requireHostHeader: false,
}

export function createTlsListener(tls: ServerOptions, handler: Handler): HttpsServer {
  const server = createHttpsServer({ ...tls, ...arrival }, (request, response) => {
    void handler(request, response)
  })
  answerProtocolErrors(server)
  return server
}

export function createPlainListener(handler: Handler): HttpServer {
  const server = createHttpServer(arrival, (request, response) => {
    void handler(request, response)
  })
  answerProtocolErrors(server)
  return server
}

function answerProtocolErrors(server: HttpServer | HttpsServer): void {
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
    socket.end(
      [
        `HTTP/1.1 ${status} ${words}`,
        'Cache-Control: no-cache',
        'X-Content-Type-Options: nosniff',
        'Content-Type: application/json; charset=utf-8',
        `Content-Length: ${Buffer.byteLength(body)}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    )
  })
  // Upgrades are not offered; Node would leave the socket open.
  server.on('upgrade', (_request: IncomingMessage, socket: Socket) => socket.destroy())
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

/** Stops taking connections, lets running requests end, and closes idle ones. */
export async function closeListener(server: HttpServer | HttpsServer): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
    server.closeIdleConnections()
  })
}
