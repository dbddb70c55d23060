/** The parameters of a request: names in any letter case, the first of repeated ones. */
export interface Query {
  /** null where the request has none of this name. */
  get(name: string): string | null
}

const MAX_KEPT = 500
const MAX_KEPT_CHARACTERS = 64
const kept = new Map<string, Query>()

/**
 * Names and values decoded. Clients send the same few short strings (`api-version=…`) again and again, so those are
 * remembered.
 */
export function parseQuery(text: string): Query {
  const known = kept.get(text)
  if (known !== undefined) return known
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    const key = name.toLowerCase()
    if (!values.has(key)) values.set(key, value)
  }
  const query: Query = { get: (name) => values.get(name.toLowerCase()) ?? null }
  if (text.length <= MAX_KEPT_CHARACTERS) {
    if (kept.size >= MAX_KEPT) kept.clear()
    kept.set(text, query)
  }
  return query
}
