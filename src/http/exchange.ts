/** One request on its way through the pipeline: what arrived, and what the steps have found out so far. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { ResolvedApiVersion } from '../api-versions/api-version.ts'
import type { AccessDecision } from '../domain/access/decide.ts'
import type { Caller } from '../domain/identity/caller.ts'
import type { Operation } from '../operations/operation.ts'
import type { VaultEntry } from './directory.ts'
import type { HostTarget } from './host-names.ts'
import type { Query } from './parse-query.ts'
import type { RouteResult } from './router.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly startedMs: number
  readonly requestId: string
  readonly target:
    | HostTarget
    | { readonly kind: 'managedIdentity'; readonly baseUrl: string; readonly loginUrl: string }
  /** Path as sent, without query. */
  readonly path: string
  readonly query: Query
  readonly clientAddress: string
  route: RouteResult
  operation: Operation | undefined
  apiVersion: ResolvedApiVersion | undefined
  entry: VaultEntry | undefined
  caller: Caller | undefined
  decision: AccessDecision | undefined
  isAddressAuthorized: boolean | undefined
  /** The sentence a refused client gets; the audit record has its first line. */
  refusal: string | undefined
  /** Methods of this path, for a refusal of another one. */
  allowedMethods: readonly string[] | undefined
}

/** What goes back. `body` is the text to send, undefined for none. */
export interface Outcome {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: string | undefined
  readonly contentType?: string
}

export function clientAddressOf(request: IncomingMessage): string {
  const address = request.socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}

const versions = new WeakMap<object, string | undefined>()

/** Asked once per connection: it does not change, and the answer comes from far away. */
export function tlsVersionOf({ socket }: IncomingMessage): string | undefined {
  if (versions.has(socket)) return versions.get(socket)
  const protocol = (socket as Partial<TLSSocket>).getProtocol?.()
  const version = protocol === 'TLSv1.3' ? 'TLS1_3' : protocol === 'TLSv1.2' ? 'TLS1_2' : undefined
  versions.set(socket, version)
  return version
}

const MAX_CLIENT_REQUEST_ID_CHARACTERS = 128
const HEADER_TEXT = /^[\x20-\x7e]+$/

/** The client's own id, where it is fit to be sent back. */
export function clientRequestIdOf(request: IncomingMessage): string | undefined {
  const id = request.headers['x-ms-client-request-id']
  return typeof id === 'string' && id.length <= MAX_CLIENT_REQUEST_ID_CHARACTERS && HEADER_TEXT.test(id)
    ? id
    : undefined
}
