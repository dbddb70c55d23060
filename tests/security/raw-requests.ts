/** What an attacker has that a client library does not: the bytes of a request, exactly as written. */
import { connect as connectPlain, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface RawAnswer {
  /** 0 where nothing came back. */
  readonly status: number
  /** Status line and headers. */
  readonly head: string
  readonly text: string
}

export interface RawTarget {
  readonly port: number
  /** TLS unless said otherwise. */
  readonly plain?: boolean
}

/** Sends the bytes and reads until the server closes, so the request should ask for that. */
export function sendRaw({ port, plain = false }: RawTarget, bytes: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket: Socket = plain
      ? connectPlain({ port, host: '127.0.0.1' })
      : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => {
      const all = Buffer.concat(chunks).toString('latin1')
      const split = all.indexOf('\r\n\r\n')
      const head = all.slice(0, Math.max(0, split))
      resolve({ status: Number(head.split(' ')[1] ?? 0), head, text: all.slice(split + 4) })
    })
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}

/** A whole request that asks the server to close afterwards. Headers of the same name may stand more than once. */
export function rawRequest(line: string, headers: readonly string[], body = ''): string {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]
  return `${[`${line} HTTP/1.1`, ...headers, ...length, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`
}

/** A port that is free now, for endpoints whose port the test server does not tell. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('the system gave no port')
  return address.port
}
