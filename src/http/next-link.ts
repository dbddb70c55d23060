import type { Query } from './parse-query.ts'

/**
 * The address of a list's next page, byte for byte as observed (recordings, section 5): always with the port, api-version
 * first, `$` unescaped, and maxresults only if the request had it.
 */
export function nextLinkOf(baseUrl: string, path: string, query: Query, token: string): string {
  const withPort = /:\d+$/.test(baseUrl) ? baseUrl : `${baseUrl}:443`
  const maxResults = query.get('maxresults')
  const tail = maxResults === null ? '' : `&maxresults=${encodeURIComponent(maxResults)}`
  const version = encodeURIComponent(query.get('api-version') ?? '')
  return `${withPort}${path.replace(/\/$/, '')}?api-version=${version}&$skiptoken=${token}${tail}`
}
