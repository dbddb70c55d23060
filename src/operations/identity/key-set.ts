/** The public signing keys as a JWK set, with the members the real service gives. */
import { Type } from 'typebox'
import type { SigningKeyInfo } from '../../domain/identity/signing-key.ts'

export const keySet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('RSA'),
      use: Type.Literal('sig'),
      alg: Type.Literal('RS256'),
      kid: Type.String(),
      x5t: Type.String(),
      n: Type.String(),
      e: Type.String(),
      x5c: Type.Array(Type.String()),
    }),
  ),
})

export function keySetOf(keys: readonly SigningKeyInfo[]): object {
  return {
    keys: keys.map(({ kid, n, e, certificate }) => ({
      kty: 'RSA',
      use: 'sig',
      alg: 'RS256',
      kid,
      x5t: kid,
      n,
      e,
      x5c: [certificate],
    })),
  }
}
