/**
 * A CONNECT proxy that ends tunnels at this server. A client that has `HTTPS_PROXY` set to it reaches
 * `https://NAME.vault.azure.net` or `https://NAME.vault.localhost:8443` here, with no DNS entry, no hosts file and no
 * other setting: what it sends through the tunnel is handed to the listener as if it had connected there.
 *
 * Names that are not ours are refused unless they were allowed, so that a forgotten variable does not turn this into a
 * way out. For the same reason it listens on loopback unless told otherwise.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Everything of a CONNECT request together; real ones have a few hundred bytes. */
export const MAX_PROXY_HEADER_BYTES = 8 * 1024
export const PROXY_HEADER_TIMEOUT_MS = 10_000
export const MAX_TUNNELS = 1000
/** Of tunnels to other hosts; those that end here have the listener's own limits. */
export const TUNNEL_IDLE_TIMEOUT_MS = 300_000
export const TUNNEL_CONNECT_TIMEOUT_MS = 10_000
/** Beside the tunnels, so that one too many can still be told so. */
const MAX_WAITING_CONNECTIONS = 50
/** How long a refused client may take to read why. */
const REFUSAL_TIMEOUT_MS = 2000
const HTTPS_PORT = 443

export interface ConnectProxyOptions {
  /** Whether a tunnel to this name ends here. The host is lower case, without brackets or a final dot. */
  ownsHost(host: string, port: number): boolean
  /** Takes over a connection that starts with a TLS handshake: `(socket) => httpsServer.emit('connection', socket)`. */
  terminate(socket: Socket): void
  /** Other hosts: none, all, or those listed as `name`, `name:port` or `*.suffix`; without a port it is 443. */
  readonly allowOthers: boolean | readonly string[]
  readonly limits?: Partial<ConnectProxyLimits>
}

export interface ConnectProxyLimits {
  readonly maxHeaderBytes: number
  readonly headerTimeoutMs: number
  readonly maxTunnels: number
  readonly idleTimeoutMs: number
  readonly connectTimeoutMs: number
}

export interface ConnectProxy {
  /**
   * Resolves with the port once it listens. Refuses an address other than loopback unless `allowNonLoopback` is set:
   * who reaches this port can use every tunnel it allows.
   */
  listen(where: { port: number; host?: string; allowNonLoopback?: boolean }): Promise<number>
  /** Stops listening and ends every tunnel that leads elsewhere; those that end here belong to the listener. */
  close(): void
}

/**
 * Which tunnels end here, given the names of the server's certificate: those below its domain on any port, the real
 * service's on 443, and the domain itself, `localhost` and addresses on the listener's port only, because a machine has
 * other servers under these.
 */
export function ownNamesOf(
  names: readonly string[],
  domain: string,
  httpsPort: () => number,
): ConnectProxyOptions['ownsHost'] {
  const isBelowDomain = (name: string) => name.endsWith(`.${domain}`)
  const isTheMachine = (name: string) => name === domain || name === 'localhost' || isIP(name) !== 0
  return (host, port) => {
    if (isTheMachine(host)) return names.includes(host) && port === httpsPort()
    const isNamed = names.some((name) => (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name))
    return isNamed && (isBelowDomain(host) || port === HTTPS_PORT)
  }
}

/** Makes a proxy that is not listening yet. */
export function createConnectProxy(options: ConnectProxyOptions): ConnectProxy {
  const { ownsHost, terminate, allowOthers } = options
  const limits: ConnectProxyLimits = {
    maxHeaderBytes: MAX_PROXY_HEADER_BYTES,
    headerTimeoutMs: PROXY_HEADER_TIMEOUT_MS,
    maxTunnels: MAX_TUNNELS,
    idleTimeoutMs: TUNNEL_IDLE_TIMEOUT_MS,
    connectTimeoutMs: TUNNEL_CONNECT_TIMEOUT_MS,
    ...options.limits,
  }
  const tunnels = new Set<Socket>()
  const outward = new Set<Socket>()

  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.headerTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.headerTimeoutMs, 5000),
  })
  // Connections that have not asked for anything yet count too, or they would be the way around the limit.
  server.maxConnections = limits.maxTunnels + MAX_WAITING_CONNECTIONS

  server.on('request', (request, response) => {
    const isForProxy = /^[a-z][a-z0-9+.-]*:\/\//i.test(request.url ?? '')
    const text = isForProxy
      ? 'This proxy carries HTTPS only, through CONNECT. Ask for an https:// address, or leave HTTP_PROXY unset.'
      : 'This is a proxy for CONNECT, not a web server. Set HTTPS_PROXY to this address instead of opening it.'
    response.writeHead(isForProxy ? 405 : 400, {
      'content-type': 'text/plain; charset=utf-8',
      connection: 'close',
      ...(isForProxy ? { allow: 'CONNECT' } : {}),
    })
    response.end(`${text}\n`)
  })

  server.on('clientError', (error: NodeJS.ErrnoException, duplex: Duplex) => {
    const socket = socketOf(duplex)
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else if (error.code === 'HPE_HEADER_OVERFLOW') {
      refuse(socket, 431, 'Request Header Fields Too Large', `more than ${limits.maxHeaderBytes} bytes of headers came`)
    } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      refuse(socket, 408, 'Request Timeout', 'the request did not arrive in time')
    } else refuse(socket, 400, 'Bad Request', 'this is not a CONNECT request in HTTP/1.1')
  })

  server.on('connect', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = socketOf(duplex)
    // A client that goes away in the middle is nobody's error; without a listener it would end the process.
    socket.on('error', () => socket.destroy())
    // What the client sent without waiting for an answer is put back at once, to be read first: once the client has
    // ended its side it would be too late.
    if (head.length > 0) socket.unshift(head)
    const target = targetOf(request.url ?? '')
    if (target === undefined) {
      refuse(socket, 400, 'Bad Request', 'CONNECT needs a host name and a port, such as dev.vault.azure.net:443')
    } else if (tunnels.size >= limits.maxTunnels) {
      refuse(socket, 503, 'Service Unavailable', `${limits.maxTunnels} tunnels are open already`)
    } else if (ownsHost(target.host, target.port)) {
      count(tunnels, socket)
      establish(socket)
      terminate(socket)
    } else if (isAllowed(target, allowOthers)) {
      count(tunnels, socket)
      tunnel(socket, target)
    } else {
      refuse(
        socket,
        502,
        'Bad Gateway',
        `${target.text} is not one of this server's names, and tunnels to other hosts are not allowed`,
      )
    }
  })

  function tunnel(client: Socket, target: Target): void {
    const remote = connect({ host: target.host, port: target.port, allowHalfOpen: true })
    count(outward, remote)
    let isOpen = false
    remote.setTimeout(limits.connectTimeoutMs)
    remote.once('connect', () => {
      isOpen = true
      establish(client)
      for (const side of [client, remote]) side.setTimeout(limits.idleTimeoutMs)
      client.pipe(remote)
      remote.pipe(client)
    })
    const fail = (why: string) => {
      remote.destroy()
      if (isOpen || !client.writable) client.destroy()
      else refuse(client, 502, 'Bad Gateway', `${target.text} can't be reached: ${why}`)
    }
    remote.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'the connection failed'))
    // Either side going quiet is no reason while the other one still talks; pipes keep both timers running.
    for (const side of [client, remote]) side.on('timeout', () => fail('it did not answer in time'))
    client.once('close', () => remote.destroy())
    // A remote that ended in order was passed on by the pipe; one that was cut off takes the client with it.
    remote.once('close', () => {
      if (isOpen && !remote.readableEnded) client.destroy()
    })
  }

  return {
    async listen({ port, host = '127.0.0.1', allowNonLoopback = false }) {
      if (!allowNonLoopback && !isLoopback(host)) {
        throw new Error(
          `the proxy does not listen on ${host}: whoever reaches it can use it. Choose 127.0.0.1, or allow it explicitly`,
        )
      }
      return listen(server, port, host)
    },
    close() {
      for (const socket of outward) socket.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Target {
  readonly host: string
  readonly port: number
  /** For sentences. */
  readonly text: string
}

/** `host:port`, with brackets around an IPv6 address; undefined for anything else. */
function targetOf(authority: string): Target | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]{1,253})):([0-9]{1,5})$/i.exec(authority)
  if (match === null) return undefined
  const [, address, name, digits] = match
  const host = (address ?? name ?? '').toLowerCase().replace(/\.$/, '')
  const port = Number(digits)
  if (host === '' || port < 1 || port > 65535 || (address !== undefined && isIP(address) !== 6)) return undefined
  return { host, port, text: `${address === undefined ? host : `[${host}]`}:${port}` }
}

function isAllowed({ host, port }: Target, allowOthers: boolean | readonly string[]): boolean {
  if (typeof allowOthers === 'boolean') return allowOthers
  return allowOthers.some((entry) => {
    const [, name = '', digits] = /^(.*?)(?::([0-9]+))?$/.exec(entry.toLowerCase()) ?? []
    if (port !== Number(digits ?? HTTPS_PORT)) return false
    return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name
  })
}

function establish(socket: Socket): void {
  socket.setNoDelay(true)
  socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
}

function refuse(socket: Socket, status: number, reason: string, sentence: string): void {
  const body = `Keyhaven's proxy: ${sentence}.\n`
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  // What the client still sends is read and dropped: closing on unread bytes would take the answer with it.
  socket.resume()
  socket.once('end', () => socket.destroy())
  socket.setTimeout(REFUSAL_TIMEOUT_MS, () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function count(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
}

/** The types allow other streams; connections of a listening server are sockets. */
function socketOf(stream: Duplex): Socket {
  if (!(stream instanceof Socket)) throw new TypeError('the proxy was given a stream that is no socket')
  return stream
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('the proxy listens on no port'))
      else resolve(address.port)
    })
  })
}
