/** The service's page tokens and next links, built here once more from the recordings, apart from the server's code. */
import type { TestAnswer } from './test-server.ts'

const END_OF_TIME = '9999-12-31T23:59:59.9999999Z'

/** The token that names `first`: `secret/NAME` or `secret/NAME/VERSION` with all but the kind in capitals. */
export function skipTokenOf(first: string): string {
  const [kind = '', ...rest] = first.split('/')
  const marker = [kind, ...rest.map((part) => part.toUpperCase())].join('/')
  const inner = Buffer.from(`${String(marker.length).padStart(6, '0')}!${marker}!000028!${END_OF_TIME}!`)
  return tokenAround(inner.toString('base64'))
}

/** A token of the right outer form around any inner text. */
export function tokenAround(innerBase64: string): string {
  const json = `{"NextMarker":"2!${innerBase64.length}!${innerBase64}","TargetLocation":0}`
  return Buffer.from(json).toString('base64url')
}

/** Path and query of a next link, as a client would request it; undefined at the end of a list. */
export function followed(answer: TestAnswer): string | undefined {
  const link = answer.json.nextLink as string | null
  return link === null ? undefined : link.slice(link.indexOf('/', 'https://'.length))
}
