/** What token requests and their answers look like, at both generations of the token endpoint. */
import { Type } from 'typebox'
import type { GrantedToken } from '../../flows/token-authority.ts'

const field = Type.Optional(Type.String())

/**
 * Everything is optional here, because the login endpoints say in their own envelope what is missing. Further fields are
 * allowed and ignored: `claims`, `client_info` and what libraries tell about themselves.
 */
export const tokenForm = Type.Object({
  grant_type: field,
  client_id: field,
  client_secret: field,
  client_assertion: field,
  client_assertion_type: field,
  scope: field,
  resource: field,
  username: field,
  password: field,
  refresh_token: field,
})

export const tenantParams = Type.Object({ tenant: Type.String() })

export const tokenAnswer = Type.Object({
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Union([Type.Integer(), Type.String()]),
  ext_expires_in: Type.Union([Type.Integer(), Type.String()]),
  expires_on: Type.Optional(Type.String()),
  not_before: Type.Optional(Type.String()),
  resource: Type.Optional(Type.String()),
  access_token: Type.String(),
  id_token: Type.Optional(Type.String()),
  client_info: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
})

/** Numbers in the newer form; in the older one, which a request with `resource` gets, every number is a string. */
export function tokenAnswerOf(granted: GrantedToken): object {
  const lifetime = granted.expires - granted.issued
  return {
    token_type: 'Bearer',
    ...(granted.isOlderForm
      ? {
          expires_in: String(lifetime),
          ext_expires_in: String(lifetime),
          expires_on: String(granted.expires),
          not_before: String(granted.issued),
          resource: granted.resource,
        }
      : { expires_in: lifetime, ext_expires_in: lifetime }),
    access_token: granted.accessToken,
    ...(granted.user
      ? {
          id_token: granted.user.idToken,
          client_info: clientInfoOf(granted.user),
          refresh_token: granted.user.refreshToken,
        }
      : {}),
  }
}

/** MSAL files a user's tokens under this. */
function clientInfoOf({ objectId, tenantId }: { objectId: string; tenantId: string }): string {
  return Buffer.from(JSON.stringify({ uid: objectId, utid: tenantId })).toString('base64url')
}
