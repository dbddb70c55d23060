import type { AuditRecord } from '../../domain/audit/audit-record.ts'
import { formatAuditTime } from '../../domain/audit/audit-time.ts'
import { httpStatusWords } from '../../domain/audit/http-status-words.ts'
import type { Caller } from '../../domain/identity/caller.ts'
import { MAX_NAME_CHARACTERS } from '../../domain/limits/limits.ts'
import { clientRequestIdOf, type Exchange, tlsVersionOf } from '../exchange.ts'

const MAX_USER_AGENT_CHARACTERS = 512
const MAX_URI_CHARACTERS = 2048

/** The record of what was no request: too slow, too large, not HTTP, or for another name than this machine's. */
export function refusedConnectionRecord(
  status: number,
  address: string,
  nowMs: number,
  requestId: string,
): AuditRecord {
  return {
    time: formatAuditTime(nowMs),
    resourceId: '',
    operationName: 'UnknownOperation',
    operationVersion: '',
    category: 'AuditEvent',
    resultType: 'Success',
    resultSignature: httpStatusWords(status),
    resultDescription: '',
    durationMs: '0',
    callerIpAddress: address,
    correlationId: '',
    identity: { claim: {} },
    properties: { clientInfo: '', requestUri: '', httpStatusCode: status, requestId },
  }
}

/** The record of a request. It is made from the request line and the declaration, never from a body. */
export function auditRecordOf(exchange: Exchange, status: number, nowMs: number): AuditRecord {
  const { request, target, entry, caller, decision } = exchange
  const isVault = target.kind === 'vault'
  return {
    time: formatAuditTime(exchange.startedMs),
    resourceId: entry?.scope.toUpperCase() ?? '',
    operationName: isVault && status === 401 ? 'Authentication' : (operationNameOf(exchange) ?? 'UnknownOperation'),
    operationVersion: exchange.apiVersion?.requested ?? exchange.query.get('api-version')?.slice(0, 64) ?? '',
    category: 'AuditEvent',
    // The service says Success of refused requests too; the status tells (public samples of its records).
    resultType: status < 500 ? 'Success' : 'Failure',
    resultSignature: httpStatusWords(status),
    resultDescription: exchange.refusal?.split('\r\n', 1)[0] ?? '',
    durationMs: String(Math.max(0, Math.round(nowMs - exchange.startedMs))),
    callerIpAddress: exchange.clientAddress,
    correlationId: clientRequestIdOf(request) ?? '',
    identity: { claim: caller === undefined ? {} : claimsOf(caller) },
    properties: {
      ...optional('id', isVault ? objectIdOf(exchange) : undefined),
      clientInfo: (request.headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT_CHARACTERS),
      // Addresses of the log-in hosts may hold what somebody put there by mistake; those of vaults name objects.
      requestUri: uriOf(target.baseUrl, isVault ? (request.url ?? '') : pathOnRecord(exchange)).slice(
        0,
        MAX_URI_CHARACTERS,
      ),
      httpStatusCode: status,
      ...optional('tlsVersion', tlsVersionOf(request)),
      ...(decision?.model === 'policy' ? { isAccessPolicyMatch: decision.allowed } : {}),
      ...(decision?.model === 'rbac' ? { isRbacAuthorized: decision.allowed } : {}),
      ...(decision?.allowed === true && decision.model === 'rbac'
        ? { appliedAssignmentId: decision.assignmentId }
        : {}),
      ...optional('isAddressAuthorized', exchange.isAddressAuthorized),
      ...(isVault ? { subnetId: '(unknown)' } : {}),
      requestId: exchange.requestId,
    },
  }
}

/** What was asked for, also where a step before the handler refused it: a refused read is no unknown request. */
function operationNameOf({ operation, route }: Exchange): string | undefined {
  return (operation ?? (route.kind === 'found' ? route.operation : undefined))?.audit.operationName
}

/**
 * The address of the object by its name, whatever way the request wrote it: `/secrets/%61dmin` and `//SECRETS/admin`
 * both name `/secrets/admin`, and who searches the log for it has to find them. The path as sent is in `requestUri`.
 */
function objectIdOf({ route, target }: Exchange): string | undefined {
  if (route.kind !== 'found' || route.params.name === undefined) return undefined
  const { name, version = '' } = route.params
  const [, collection = ''] = route.operation.path.split('/')
  return `${target.baseUrl}/${collection}/${segmentOf(name)}${version === '' ? '' : `/${segmentOf(version)}`}`
}

/** A name that breaks the rules may hold anything; escaped, it stays one segment. */
function segmentOf(text: string): string {
  return encodeURIComponent(text.slice(0, MAX_NAME_CHARACTERS + 1).toWellFormed())
}

/** A request line may name a whole address (RFC 9112, section 3.2.2). */
function uriOf(baseUrl: string, sent: string): string {
  return sent.startsWith('/') ? `${baseUrl}${sent}` : sent
}

function claimsOf(caller: Caller): Record<string, string> {
  return {
    oid: caller.oid,
    ...optional('appid', caller.appid),
    ...optional('appidacr', caller.appidacr),
    ...optional('idtyp', caller.idtyp),
    ...optional('scp', caller.scp),
    ...optional('upn', caller.upn),
    ...optional('xms_mirid', caller.xmsMirid),
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>)
}

/** Values that paths of the log-in and management hosts are made for; anything else may be a secret in the wrong place. */
const ORDINARY_SEGMENT = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|adfs|common|organizations)$/i

/**
 * The path of a request to a host that is no vault, as its operation declares it, with the values that are known to be no
 * secrets.
 */
function pathOnRecord({ operation, route }: Exchange): string {
  if (operation === undefined || route.kind !== 'found') return '/'
  const { params } = route
  return operation.path.replaceAll(/\{(\w+)\??\}/g, (_whole, name: string) => {
    const value = params[name] ?? ''
    return ORDINARY_SEGMENT.test(value) ? value : '…'
  })
}
