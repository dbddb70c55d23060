/**
 * The service's paging token, byte for byte as observed (recordings, section 5): base64url JSON around a marker that
 * names the first item of the next page. It carries a name, not a position, so items made or deleted between two pages
 * neither repeat nor hide others.
 */
import { isBase64Url } from './base64url.ts'

const END_OF_TIME = '9999-12-31T23:59:59.9999999Z'
const MAX_TOKEN_CHARACTERS = 2048

/** `marker` is `secret/NAME` or `secret/NAME/VERSION`, any case. */
export function encodeSkipToken(marker: string): string {
  const upper = `${marker.slice(0, marker.indexOf('/'))}${marker.slice(marker.indexOf('/')).toUpperCase()}`
  const inner = Buffer.from(`${lengthOf(upper)}!${upper}!${lengthOf(END_OF_TIME)}!${END_OF_TIME}!`).toString('base64')
  return Buffer.from(JSON.stringify({ NextMarker: `2!${inner.length}!${inner}`, TargetLocation: 0 })).toString(
    'base64url',
  )
}

/** The marker in lower case, or undefined for text that is not a token of ours. */
export function decodeSkipToken(token: string): string | undefined {
  if (token.length > MAX_TOKEN_CHARACTERS || !isBase64Url(token)) return undefined
  const outer = /^\{"NextMarker":"2!\d+!([A-Za-z0-9+/=]+)","TargetLocation":0\}$/.exec(
    Buffer.from(token, 'base64url').toString('utf8'),
  )
  if (outer?.[1] === undefined) return undefined
  const inner = /^\d{6}!([a-z]+\/[0-9A-Z-]+(?:\/[0-9A-Z]+)?)!\d{6}!.*!$/.exec(
    Buffer.from(outer[1], 'base64').toString('utf8'),
  )
  return inner?.[1]?.toLowerCase()
}

const lengthOf = (text: string) => String(text.length).padStart(6, '0')
