import type { PublicRefusal } from '../../errors/refusal.ts'

/** RFC 6749 section 5.2, for requests that never reached an operation of the log-in host. */
export function renderOAuthError({ status, message }: PublicRefusal): string {
  return JSON.stringify({ error: status >= 500 ? 'server_error' : 'invalid_request', error_description: message })
}
