/** A client of a real server in another process: one kept connection over TLS that trusts the server's own CA only. */
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { ReadyLine } from './real-server.ts'

const ANSWER_MS = 20_000

export interface RealAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers member by member.
  readonly json: any
}

export interface RealRequest {
  readonly method: string
  /** Host name, `dev.vault.localhost`. */
  readonly host: string
  readonly path: string
  /** Sent as JSON unless it is text. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string
}

export interface RealClient {
  /** Rejects when the connection is lost before the whole answer came. */
  send(request: RealRequest): Promise<RealAnswer>
  close(): void
}

export function connectTo({ httpsPort, caFile }: Pick<ReadyLine, 'httpsPort' | 'caFile'>): RealClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(caFile) })
  return {
    send: ({ method, host, path, body, headers = {}, token }) =>
      new Promise((resolve, reject) => {
        const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
        const outgoing = httpsRequest(
          {
            agent,
            host: '127.0.0.1',
            port: httpsPort,
            servername: host,
            method,
            path,
            timeout: ANSWER_MS,
            headers: {
              host: `${host}:${httpsPort}`,
              ...(payload === undefined
                ? {}
                : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
              ...headers,
            },
          },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('error', reject)
            response.on('close', () => {
              if (!response.complete) {
                reject(new Error('the connection was lost within an answer'))
                return
              }
              const text = Buffer.concat(chunks).toString('utf8')
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) })
            })
          },
        )
        outgoing.on('timeout', () => {
          const connection = outgoing.reusedSocket ? 'a kept' : outgoing.socket?.connecting ? 'no' : 'a new'
          outgoing.destroy(
            new Error(`no answer to ${method} ${path} within ${ANSWER_MS} ms, over ${connection} connection`),
          )
        })
        outgoing.on('error', reject)
        outgoing.end(payload)
      }),
    close() {
      agent.destroy()
    },
  }
}

/** A token of an app for vaults. */
export async function tokenOf(
  client: RealClient,
  { tenantId, clientId, clientSecret }: Pick<ReadyLine, 'tenantId' | 'clientId' | 'clientSecret'>,
  domain = 'localhost',
): Promise<string> {
  const answer = await client.send({
    method: 'POST',
    host: `login.${domain}`,
    path: `/${tenantId}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope: 'https://vault.azure.net/.default',
    }).toString(),
  })
  if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`)
  return answer.json.access_token
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not every answer is JSON; a test that expects it sees undefined.
    return undefined
  }
}
