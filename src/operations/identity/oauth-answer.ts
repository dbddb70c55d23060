/** The envelope of the login endpoints: how a refusal looks there, and what every answer carries. */

import { KEY_SET_MAX_AGE_SECONDS } from '../../domain/identity/limits.ts'
import { OAuthRefusal } from '../../domain/identity/oauth-refusal.ts'
import { isUuid } from '../../domain/identity/tenant.ts'
import type { IdentityContext } from '../contexts.ts'
import { Answer } from '../operation.ts'

const NOT_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' } as const

/** For tokens and for anything that depends on who asks. */
export function unstored(body: unknown): Answer {
  return new Answer({ status: 200, headers: NOT_STORED, body })
}

/** For metadata, which changes rarely and is public. */
export function cacheable(body: unknown): Answer {
  const headers = { 'cache-control': `public, max-age=${KEY_SET_MAX_AGE_SECONDS}`, 'access-control-allow-origin': '*' }
  return new Answer({ status: 200, headers, body })
}

/** Runs the work and answers its OAuth refusals in the service's form; any other error passes through. */
export async function answeringRefusals(context: IdentityContext, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof OAuthRefusal) return refusalAnswer(context, error)
    throw error
  }
}

function refusalAnswer(context: IdentityContext, refusal: OAuthRefusal): Answer {
  const timestamp = `${new Date(context.now() * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`
  const traceId = context.random.uuid()
  const correlationId = correlationIdOf(context)
  const lines = [
    `AADSTS${refusal.code}: ${refusal.message}`,
    `Trace ID: ${traceId}`,
    `Correlation ID: ${correlationId}`,
    `Timestamp: ${timestamp}`,
  ]
  const wait = refusal.retryAfterSeconds
  return new Answer({
    status: refusal.status,
    headers: { ...NOT_STORED, ...(wait === undefined ? {} : { 'retry-after': String(wait) }) },
    body: {
      error: refusal.error,
      error_description: lines.join(' '),
      error_codes: [refusal.code],
      timestamp,
      trace_id: traceId,
      correlation_id: correlationId,
    },
  })
}

/** The client's own id where it sent a proper one, so that both sides' logs can be brought together. */
function correlationIdOf(context: IdentityContext): string {
  const sent = context.headers['client-request-id']?.toLowerCase()
  return sent !== undefined && isUuid(sent) ? sent : context.random.uuid()
}
