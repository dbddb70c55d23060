/** A token request as the endpoints hand it over, and the parts of it that several grants read the same way. */
import {
  type RequestedResource,
  readDefaultScope,
  readResource,
  readUserScopes,
} from '../domain/identity/access-token.ts'
import { refuseToken } from '../domain/identity/oauth-refusal.ts'

export interface TokenRequest {
  /** The first part of the path: a tenant id, `adfs`, `common` or `organizations`. */
  readonly tenant: string
  /** The body's fields. Fields nobody asks for are ignored: libraries send many. */
  readonly form: Readonly<Record<string, string | undefined>>
  readonly authorizationHeader: string | undefined
  readonly clientAddress: string
  /** The address the client called, without query. */
  readonly endpointUrl: string
  /** The parameter that this endpoint misses when neither is there: `resource` at v1, `scope` at v2. */
  readonly resourceParameter: 'scope' | 'resource'
}

export interface ClientCredentials {
  /** Lower case. */
  readonly clientId: string
  readonly secret: string | undefined
  readonly assertion: string | undefined
}

/** Reads client id and credential from body or Basic header, which may not both bring one (RFC 6749, section 2.3). */
export function readClientCredentials(request: TokenRequest): ClientCredentials {
  const { form } = request
  const basic = readBasic(request.authorizationHeader)
  const clientId = basic?.clientId ?? present(form.client_id)
  if (clientId === undefined) throw refuseToken('MissingParameter', { name: 'client_id' })
  const named = present(form.client_id)
  if (basic !== undefined && named !== undefined && named.toLowerCase() !== basic.clientId.toLowerCase()) {
    throw refuseToken('MalformedRequest', { reason: 'The header and the body name different applications.' })
  }
  const secrets = [basic?.secret, present(form.client_secret)].filter((secret) => secret !== undefined)
  const assertion = present(form.client_assertion)
  if (secrets.length + (assertion === undefined ? 0 : 1) > 1) {
    throw refuseToken('MalformedRequest', { reason: 'The request brings more than one client credential.' })
  }
  return { clientId: clientId.toLowerCase(), secret: secrets[0], assertion }
}

/** What an application's token shall be for. */
export function readAppResource(request: TokenRequest): RequestedResource {
  const resource = present(request.form.resource)
  if (resource !== undefined) return requireResource(resource)
  const scope = present(request.form.scope)
  if (scope === undefined) throw refuseToken('MissingParameter', { name: request.resourceParameter })
  const read = readDefaultScope(scope)
  if (read === undefined) throw refuseToken('ScopeInvalid')
  if (read === 'notDefault') throw refuseToken('ScopeNotDefault')
  return read
}

/** What a user's token shall be for. */
export function readUserResource(request: TokenRequest): RequestedResource {
  const resource = present(request.form.resource)
  if (resource !== undefined) return requireResource(resource)
  const scope = present(request.form.scope)
  if (scope === undefined) throw refuseToken('MissingParameter', { name: request.resourceParameter })
  const read = readUserScopes(scope)
  if (read === undefined) throw refuseToken('ScopeInvalid')
  return read
}

export function requireParameter(request: TokenRequest, name: string): string {
  const value = present(request.form[name])
  if (value === undefined) throw refuseToken('MissingParameter', { name })
  return value
}

function requireResource(resource: string): RequestedResource {
  const read = readResource(resource)
  if (read === undefined) throw refuseToken('ResourceInvalid')
  return read
}

/** An empty field is a missing one. */
function present(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}

function readBasic(header: string | undefined): { clientId: string; secret: string } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) throw refuseToken('MalformedRequest', { reason: 'The Basic header holds no client id and secret.' })
  return { clientId: formDecoded(text.slice(0, colon)), secret: formDecoded(text.slice(colon + 1)) }
}

/** Both parts of the Basic header are form-encoded first (RFC 6749, section 2.3.1). */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause
    throw refuseToken('MalformedRequest', { reason: 'The Basic header is not form-encoded.' })
  }
}
