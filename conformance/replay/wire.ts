/** Plain HTTPS to a server on this machine under any host name, so that no DNS is needed; answers come as they are. */
import https from 'node:https'
import type { Json } from './recordings.ts'

const TIMEOUT_MS = 20_000

export interface Request {
  readonly method: string
  /** The name the server is asked for: in SNI and in the Host header. */
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  /** Lower-case names; values of a header sent twice are joined with a comma and a space. */
  readonly headers: Readonly<Record<string, string>>
  /** The body as it came. */
  readonly text: string
  /** The body parsed; the text itself where it is not JSON, null where there is none. */
  readonly body: Json
}

export interface Transport {
  /** Rejects when no answer came. */
  send(request: Request): Promise<Answer>
  close(): void
}

export function parseBody(content: string): Json {
  if (content === '') return null
  try {
    const parsed: Json = JSON.parse(content)
    return parsed
  } catch {
    // Not JSON is an answer too; the comparison says what was expected instead.
    return content
  }
}

/** A keep-alive connection to 127.0.0.1 that trusts this certificate authority only. */
export function httpsTransport(options: { address: string; port: number; ca: string }): Transport {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 4 })
  return {
    send(request) {
      return new Promise((resolve, reject) => {
        const length: Record<string, string> =
          request.body === undefined ? {} : { 'content-length': `${Buffer.byteLength(request.body)}` }
        const sent = https.request(
          {
            agent,
            host: options.address,
            port: options.port,
            servername: request.host,
            ca: options.ca,
            method: request.method,
            path: request.path,
            headers: { ...request.headers, ...length, host: request.host },
            timeout: TIMEOUT_MS,
          },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('error', reject)
            response.on('end', () => {
              const content = Buffer.concat(chunks).toString('utf8')
              const headers: Record<string, string> = {}
              for (const [name, values] of Object.entries(response.headersDistinct)) {
                headers[name] = (values ?? []).join(', ')
              }
              resolve({ status: response.statusCode ?? 0, headers, text: content, body: parseBody(content) })
            })
          },
        )
        sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
        sent.on('error', reject)
        sent.end(request.body)
      })
    },
    close() {
      agent.destroy()
    },
  }
}
