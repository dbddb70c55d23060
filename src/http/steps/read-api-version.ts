import { orderOf, type ResolvedApiVersion, resolveApiVersion } from '../../api-versions/api-version.ts'
import { refuse } from '../../errors/refusal.ts'
import type { Operation } from '../../operations/operation.ts'
import type { Query } from '../parse-query.ts'

/** Far longer than any version; what was resolved is remembered and recorded, so it has to be short. */
const MAX_API_VERSION_CHARACTERS = 64

/** The version the request asks for; a missing or malformed one is refused, a newer one behaves as the newest. */
export function readApiVersion(query: Query): ResolvedApiVersion {
  const text = query.get('api-version')
  if (text === null || text === '') throw refuse('ApiVersionMissing')
  const version = text.length > MAX_API_VERSION_CHARACTERS ? undefined : resolveApiVersion(text)
  if (version === undefined) {
    throw refuse('ApiVersionMalformed', { apiVersion: text.slice(0, MAX_API_VERSION_CHARACTERS) })
  }
  return version
}

/** Refuses an operation that the asked-for version does not have yet, or no longer. */
export function requireVersionHasOperation(version: ResolvedApiVersion, operation: Operation): void {
  if (operation.since === 'any' || operation.since === '7.0') return
  const since = orderOf(operation.since) ?? 0
  const until = operation.until === undefined ? Number.POSITIVE_INFINITY : (orderOf(operation.until) ?? 0)
  if (version.order < since || version.order > until) {
    throw refuse('OperationNeedsNewerVersion', { apiVersion: version.requested })
  }
}
