/**
 * How every request is treated, on one screen. The order is the observed one: challenge, version, vault, network,
 * route, authorization, throttling, validation, and only then the handler, which is the first to look whether the object
 * exists. Whatever happens, one audit record is written before the answer leaves, and without it there is no answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../domain/identity/caller.ts'
import { unixSecondsOf } from '../domain/vault-objects/times.ts'
import { type PublicRefusal, Refusal, refuse } from '../errors/refusal.ts'
import type { IdentityContext, ServiceContext, VaultContext } from '../operations/contexts.ts'
import { Answer, type HostKind, type Operation } from '../operations/operation.ts'
import type { AuditSink } from '../ports/audit-sink.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { StoreUnavailable } from '../ports/store.ts'
import type { TokenVerifier } from '../ports/token-verifier.ts'
import type { BackupSealer } from '../sealing/backup-blob.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { answerHeaders } from './answer-headers.ts'
import { resourceManagerChallenge, vaultChallenge } from './challenge.ts'
import type { Directory, VaultEntry } from './directory.ts'
import { clientAddressOf, clientRequestIdOf, type Exchange, type Outcome } from './exchange.ts'
import type { HostNames, HostTarget } from './host-names.ts'
import type { RequestMetrics } from './metrics.ts'
import { nextLinkOf } from './next-link.ts'
import { parseQuery } from './parse-query.ts'
import { renderOAuthError } from './render/oauth-error.ts'
import { renderResourceManagerError } from './render/resource-manager-error.ts'
import { renderVaultError } from './render/vault-error.ts'
import type { Router } from './router.ts'
import { auditRecordOf, refusedConnectionRecord } from './steps/audit-record.ts'
import { authenticate, resourceManagerAudiences } from './steps/authenticate.ts'
import { decide, refusalOf } from './steps/authorize.ts'
import { checkNetwork } from './steps/check-network.ts'
import { readApiVersion, requireVersionHasOperation } from './steps/read-api-version.ts'
import { readBody } from './steps/read-body.ts'
import type { Throttle } from './steps/throttle.ts'
import { validateBody, validateQuery } from './steps/validate.ts'

export interface PipelineParts {
  readonly router: Router
  readonly hosts: HostNames
  readonly directory: Directory
  readonly verifier: TokenVerifier
  readonly audit: AuditSink
  readonly throttle: Throttle
  readonly metrics: RequestMetrics
  readonly clock: Clock
  readonly random: Random
  readonly installation: SealedRecords
  recordsOf(vaultId: string): SealedRecords
  readonly backups: BackupSealer
  readonly authority: IdentityContext['authority']
  /** Tenant of hosts that name no vault, and of the challenge there. */
  defaultTenantId(): string | Promise<string>
  readonly softDeleteLatencySeconds: number
  /** Challenges at our own names say `adfs` in place of the tenant's id. */
  readonly challengesWithAdfs: boolean
  /** Everything unexpected, with its causes; never shown to a client. */
  onFailure(error: unknown, requestId: string): void
}

type VaultTarget = Extract<HostTarget, { kind: 'vault' }>

export interface Pipeline {
  /** Answers a request that arrived over TLS. Never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Answers a request to the plain managed-identity endpoint. Never rejects. */
  handleManagedIdentity(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Records what the listener refused by itself: no request that could be handled. Never rejects. */
  recordRefusal(status: number, address: string): Promise<void>
}

export function createPipeline(parts: PipelineParts): Pipeline {
  const { router, hosts, directory, clock, random } = parts
  const inTurn = createTurns()

  async function answer(exchange: Exchange): Promise<void> {
    let outcome: Outcome
    try {
      outcome = await run(exchange)
    } catch (error) {
      outcome = await refusalOutcome(exchange, error)
    }
    try {
      await parts.audit.append(auditRecordOf(exchange, outcome.status, clock.nowMs()))
    } catch (error) {
      // Fails closed: what cannot be recorded is not answered.
      parts.onFailure(error, exchange.requestId)
      outcome = await refusalOutcome(exchange, refuse('ServiceUnavailable'))
    }
    parts.metrics.observe(exchange, outcome.status, clock.nowMs())
    send(exchange, outcome)
  }

  function run(exchange: Exchange): Promise<Outcome> {
    switch (exchange.target.kind) {
      case 'vault':
        return runVault(exchange, exchange.target)
      case 'resourceManager':
        return runResourceManager(exchange)
      case 'identity':
      case 'managedIdentity':
        return runIdentity(exchange)
      case 'unknown':
        throw refuse('HostUnknown')
    }
  }

  async function runVault(exchange: Exchange, target: VaultTarget): Promise<Outcome> {
    const { request, query } = exchange
    const { route } = exchange
    if (route.kind === 'found' && route.operation.permission.kind === 'anonymous') {
      exchange.operation = route.operation
      return outcomeOf(exchange, await route.operation.handle(serviceContext(exchange) as never, NO_INPUT as never))
    }
    const found = directory.vault(target.vaultName)
    let entry = found instanceof Promise ? await found : found
    exchange.entry = entry
    const nowMs = clock.nowMs()
    const caller = await authenticate(request.headers.authorization, parts.verifier, {
      tenantId: entry?.vault.tenantId ?? (await parts.defaultTenantId()),
      audiences: target.audiences,
      expectedAudience: target.resource,
      nowMs,
    })
    exchange.caller = caller
    const version = readApiVersion(query)
    exchange.apiVersion = version
    if (entry === undefined) throw refuse('HostUnknown')
    requireAddress(exchange, entry, caller)
    const { operation, params } = requireRoute(exchange)
    requireVersionHasOperation(version, operation)
    requireAllowed(exchange, entry, caller, operation, params.name)
    parts.throttle.take(entry.vault.vaultId, operation.throttle, nowMs)
    const queryValues = validateQuery(operation, query, version)
    const body = await readBody(request, operation)
    validateBody(operation, body)
    if (body !== undefined) entry = await requireStillAllowed(exchange, target, entry, caller, operation, params.name)
    const context: VaultContext = {
      baseUrl: target.baseUrl,
      now: () => unixSecondsOf(clock.nowMs()),
      random,
      vault: entry.vault,
      caller,
      records: parts.recordsOf(entry.vault.vaultId),
      backups: parts.backups,
      softDeleteLatencySeconds: parts.softDeleteLatencySeconds,
      nextLink: (token) => nextLinkOf(target.baseUrl, exchange.path, query, token),
    }
    const result = await operation.handle(context as never, { params, query: queryValues, body } as never)
    return outcomeOf(exchange, result instanceof Answer ? result : version.shape(operation.id, result))
  }

  function requireAddress(exchange: Exchange, { vault }: VaultEntry, caller: Caller): void {
    exchange.isAddressAuthorized = false
    checkNetwork(vault, exchange.clientAddress, caller)
    exchange.isAddressAuthorized = true
  }

  function requireAllowed(
    exchange: Exchange,
    entry: VaultEntry,
    caller: Caller,
    { permission }: Operation,
    name: string | undefined,
  ): void {
    if (permission.kind !== 'vaultObject') return
    const decision = decide(entry, caller, permission, name)
    exchange.decision = decision
    if (!decision.allowed) throw refusalOf(entry, caller, permission, name, decision)
  }

  /** A body may take its time to arrive; what was taken away meanwhile counts. */
  async function requireStillAllowed(
    exchange: Exchange,
    target: VaultTarget,
    before: VaultEntry,
    caller: Caller,
    operation: Operation,
    name: string | undefined,
  ): Promise<VaultEntry> {
    const entry = await directory.vault(target.vaultName)
    if (entry === before) return before
    if (entry === undefined || entry.vault.vaultId !== before.vault.vaultId) throw refuse('HostUnknown')
    exchange.entry = entry
    requireAddress(exchange, entry, caller)
    requireAllowed(exchange, entry, caller, operation, name)
    return entry
  }

  async function runResourceManager(exchange: Exchange): Promise<Outcome> {
    const { request, route, target } = exchange
    if (route.kind !== 'found' || route.operation.permission.kind !== 'anonymous') {
      exchange.caller = await authenticate(request.headers.authorization, parts.verifier, {
        tenantId: await parts.defaultTenantId(),
        audiences: resourceManagerAudiences(target.baseUrl),
        expectedAudience: target.baseUrl,
        nowMs: clock.nowMs(),
      })
    }
    const { operation, params } = requireRoute(exchange)
    const query = validateQuery(operation, exchange.query, undefined)
    const body = await readBody(request, operation)
    validateBody(operation, body)
    return outcomeOf(
      exchange,
      await operation.handle(serviceContext(exchange) as never, { params, query, body } as never),
    )
  }

  async function runIdentity(exchange: Exchange): Promise<Outcome> {
    const { request } = exchange
    const { operation, params } = requireRoute(exchange)
    const query = validateQuery(operation, exchange.query, undefined)
    const body = await readBody(request, operation)
    validateBody(operation, body)
    const context: IdentityContext = {
      baseUrl: exchange.target.baseUrl,
      now: () => unixSecondsOf(clock.nowMs()),
      random,
      authorityUrl: hosts.loginUrl,
      installation: parts.installation,
      authority: parts.authority,
      headers: request.headers as IdentityContext['headers'],
      clientAddress: exchange.clientAddress,
    }
    return outcomeOf(exchange, await operation.handle(context as never, { params, query, body } as never))
  }

  function requireRoute(exchange: Exchange): { operation: Operation; params: Readonly<Record<string, string>> } {
    const { route, request } = exchange
    if (route.kind === 'found') {
      exchange.operation = route.operation
      return route
    }
    if (route.kind === 'methodNotAllowed') {
      exchange.allowedMethods = route.allowed
      throw refuse('MethodNotAllowed', { method: request.method ?? '' })
    }
    throw refuse('RouteNotFound')
  }

  function serviceContext(exchange: Exchange): ServiceContext {
    return {
      baseUrl: exchange.target.baseUrl,
      now: () => unixSecondsOf(clock.nowMs()),
      random,
      ...(exchange.caller === undefined ? {} : { caller: exchange.caller }),
      installation: parts.installation,
      authorityUrl: exchange.target.loginUrl,
      managementUrl: hosts.managementUrl,
      vaultSuffix: hosts.vaultSuffix,
    }
  }

  function outcomeOf(exchange: Exchange, result: unknown): Outcome {
    const standard = exchange.operation?.status ?? 200
    if (result instanceof Answer) {
      const { status = standard, headers = {}, body } = result.detail
      return { status, headers: Object.entries(headers).flat(), body: textOf(body) }
    }
    return { status: standard, headers: [], body: textOf(result) }
  }

  /** The challenge names the tenant, which may have to be read. */
  async function challengeOf({ target, entry }: Exchange): Promise<readonly string[]> {
    const tenantId = entry?.vault.tenantId ?? (await parts.defaultTenantId())
    if (target.kind === 'vault') {
      const named = parts.challengesWithAdfs && !target.isRealName ? 'adfs' : tenantId
      return ['WWW-Authenticate', vaultChallenge(target.loginUrl, named, target.resource)]
    }
    if (target.kind !== 'resourceManager') return []
    return ['WWW-Authenticate', resourceManagerChallenge(target.loginUrl, tenantId)]
  }

  async function refusalOutcome(exchange: Exchange, error: unknown): Promise<Outcome> {
    if (error instanceof Answer) return outcomeOf(exchange, error)
    let told = publicRefusalOf(error, exchange.requestId)
    const { target } = exchange
    const headers: string[] = []
    if (told.status === 401) {
      try {
        headers.push(...(await challengeOf(exchange)))
      } catch (storeError) {
        told = publicRefusalOf(storeError, exchange.requestId)
      }
    }
    exchange.refusal = told.message
    if (exchange.allowedMethods !== undefined) headers.push('Allow', exchange.allowedMethods.join(', '))
    if (told.status === 413 || told.status === 408) headers.push('Connection', 'close')
    const render =
      target.kind === 'resourceManager'
        ? renderResourceManagerError
        : target.kind === 'identity' || target.kind === 'managedIdentity'
          ? renderOAuthError
          : renderVaultError
    return { status: told.status, headers, body: render(told) }
  }

  function publicRefusalOf(error: unknown, requestId: string): PublicRefusal {
    if (error instanceof Refusal) return error.public
    parts.onFailure(error, requestId)
    return refuse(error instanceof StoreUnavailable ? 'ServiceUnavailable' : 'InternalError').public
  }

  function send({ request, response, requestId, target, entry, decision, clientAddress }: Exchange, outcome: Outcome) {
    const headers = answerHeaders(target.kind, {
      requestId,
      clientRequestId: clientRequestIdOf(request),
      clientAddress,
      region: entry?.vault.location,
      assignmentId:
        outcome.status !== 401 && decision?.allowed === true && decision.model === 'rbac'
          ? decision.assignmentId
          : undefined,
    })
    if (outcome.headers.length > 0) {
      // An operation that says how its answer may be kept says it alone.
      if (outcome.headers.some((header) => header.toLowerCase() === 'cache-control')) headers.splice(0, 2)
      headers.push(...outcome.headers)
    }
    if (outcome.body === undefined) {
      if (outcome.status !== 204) headers.push('Content-Length', '0')
      response.writeHead(outcome.status, headers)
      response.end()
      return
    }
    headers.push('Content-Type', 'application/json; charset=utf-8')
    headers.push('Content-Length', String(Buffer.byteLength(outcome.body)))
    response.writeHead(outcome.status, headers)
    response.end(request.method === 'HEAD' ? undefined : outcome.body)
  }

  function begin(
    request: IncomingMessage,
    response: ServerResponse,
    target: Exchange['target'],
    host: HostKind,
  ): Exchange {
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    const path = collapseSlashes(mark === -1 ? url : url.slice(0, mark))
    return {
      request,
      response,
      startedMs: clock.nowMs(),
      requestId: random.uuid(),
      target,
      path,
      query: parseQuery(mark === -1 ? '' : url.slice(mark + 1)),
      clientAddress: clientAddressOf(request),
      route: router.find(host, request.method ?? '', path),
      operation: undefined,
      apiVersion: undefined,
      entry: undefined,
      caller: undefined,
      decision: undefined,
      isAddressAuthorized: undefined,
      refusal: undefined,
      allowedMethods: undefined,
    }
  }

  return {
    async recordRefusal(status, address) {
      try {
        await parts.audit.append(refusedConnectionRecord(status, address, clock.nowMs(), random.uuid()))
      } catch (error) {
        parts.onFailure(error, '')
      }
    },
    handle(request, response) {
      return inTurn(() => {
        const target = hosts.target(request.headers.host)
        return answer(begin(request, response, target, target.kind === 'unknown' ? 'service' : target.kind))
      })
    },
    async handleManagedIdentity(request, response) {
      const baseUrl = `http://${request.headers.host ?? 'localhost'}`
      await answer(
        begin(request, response, { kind: 'managedIdentity', baseUrl, loginUrl: hosts.loginUrl }, 'managedIdentity'),
      )
    },
  }
}

/**
 * Lets requests that one look at the sockets found go through the pipeline together, after the last of them was read.
 * The same code then runs for one after the other, which the processor's caches like: measured, a third less of its time.
 */
function createTurns(): (act: () => Promise<void>) => Promise<void> {
  let waiting: (() => void)[] = []
  const run = () => {
    const now = waiting
    waiting = []
    for (const start of now) start()
  }
  return (act) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(run)
      waiting.push(() => {
        act().then(resolve, reject)
      })
    })
}

const NO_INPUT = { params: {}, query: {}, body: undefined }

/** Clients send `//providers/…` and `///…`; what follows a slash must never be read as a host name. */
function collapseSlashes(path: string): string {
  return path.includes('//') ? path.replaceAll(/\/{2,}/g, '/') : path
}

function textOf(body: unknown): string | undefined {
  return body === undefined ? undefined : JSON.stringify(body)
}
