/**
 * The OpenID discovery document, in the three forms clients read. Addresses are built from what the client called us,
 * because MSAL for JavaScript demands that they are of the same origin; issuers in tokens are always the authority's own.
 */
import { Type } from 'typebox'

export type DiscoveryForm = 'v1' | 'v2'

export const openIdConfiguration = Type.Object({
  issuer: Type.String(),
  authorization_endpoint: Type.String(),
  token_endpoint: Type.String(),
  jwks_uri: Type.String(),
})

/** `tenant` is a tenant id, `adfs`, `common` or `organizations`. */
export function openIdConfigurationOf(baseUrl: string, tenant: string, form: DiscoveryForm): object {
  const oauth = `${baseUrl}/${tenant}/oauth2${form === 'v2' ? '/v2.0' : ''}`
  return {
    issuer: issuerOf(baseUrl, tenant, form),
    // Every client library insists on this address. Nothing answers there: users sign in with a password only.
    authorization_endpoint: `${oauth}/authorize`,
    token_endpoint: `${oauth}/token`,
    jwks_uri: `${baseUrl}/${tenant}/discovery${form === 'v2' ? '/v2.0' : ''}/keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256', 'ES256'],
    grant_types_supported: ['client_credentials', 'password', 'refresh_token'],
    response_types_supported: ['token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'oid', 'tid', 'name', 'preferred_username', 'ver'],
  }
}

/** For `common` the real service leaves a placeholder where the tenant of whoever signs in will be. */
function issuerOf(baseUrl: string, tenant: string, form: DiscoveryForm): string {
  if (tenant === 'adfs') return `${baseUrl}/adfs`
  const id = tenant === 'common' || tenant === 'organizations' ? '{tenantid}' : tenant
  return form === 'v2' ? `${baseUrl}/${id}/v2.0` : `${baseUrl}/${id}/`
}
