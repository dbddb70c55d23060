const BASE64URL = /^[A-Za-z0-9_-]*$/

/** Whether the text is base64url without padding (RFC 4648 section 5). Buffer alone would accept junk. */
export function isBase64Url(text: string): boolean {
  return BASE64URL.test(text) && text.length % 4 !== 1
}
