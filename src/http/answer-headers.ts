/** The headers of every answer, host by host, as observed on the real service (recordings, section 1). */
import type { HostTarget } from './host-names.ts'

/** What we call ourselves where the service gives its own build; clients only log it. */
export const SERVICE_VERSION = '0.1.0.0'

export interface AnswerHeaderFacts {
  readonly requestId: string
  readonly clientRequestId: string | undefined
  readonly clientAddress: string
  /** Of the vault; undefined where the host names none. */
  readonly region: string | undefined
  /** Role assignment that allowed the request, on vaults with role-based authorization. */
  readonly assignmentId: string | undefined
}

export function answerHeaders(kind: HostTarget['kind'] | 'managedIdentity', facts: AnswerHeaderFacts): string[] {
  const { requestId, clientRequestId } = facts
  const headers = ['Cache-Control', 'no-cache', 'Pragma', 'no-cache', 'Expires', '-1']
  switch (kind) {
    case 'vault':
      headers.push(
        'Strict-Transport-Security',
        'max-age=31536000;includeSubDomains',
        'X-Content-Type-Options',
        'nosniff',
        'x-ms-keyvault-network-info',
        networkInfo(facts.clientAddress),
        'x-ms-keyvault-service-version',
        SERVICE_VERSION,
        'x-ms-request-id',
        requestId,
      )
      if (facts.region !== undefined) headers.push('x-ms-keyvault-region', headerText(facts.region))
      if (clientRequestId !== undefined) headers.push('x-ms-client-request-id', clientRequestId)
      if (facts.assignmentId !== undefined) {
        headers.push(
          'x-ms-keyvault-rbac-assignment-id',
          facts.assignmentId,
          // The ages of the service's caches. Ours are invalidated by the change itself, so they are never old.
          'x-ms-keyvault-rbac-cache',
          'ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=1;',
        )
      }
      return headers
    case 'managedIdentity':
      headers.push('X-Content-Type-Options', 'nosniff', 'x-ms-request-id', requestId)
      return headers
    default:
      headers.push(
        'Strict-Transport-Security',
        'max-age=31536000; includeSubDomains',
        'X-Content-Type-Options',
        'nosniff',
        'x-ms-request-id',
        requestId,
      )
      if (clientRequestId !== undefined) headers.push('x-ms-client-request-id', clientRequestId)
      return headers
  }
}

function networkInfo(address: string): string {
  const isV6 = address.includes(':')
  return `conn_type=${isV6 ? 'Ipv6' : 'Ipv4'};addr=${address};act_addr_fam=${isV6 ? 'InterNetworkV6' : 'InterNetwork'};`
}

/** A region is whatever a vault was made with. Node refuses to send other characters, and the answer would fail. */
const headerText = (text: string) => text.replaceAll(/[^\x20-\x7e]/g, '?')
