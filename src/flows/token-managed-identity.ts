/** Tokens for managed identities, asked for over plain HTTP on the loopback interface in two forms. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type RequestedResource, readResource } from '../domain/identity/access-token.ts'
import {
  type ManagedIdentity,
  type ManagedIdentitySelection,
  selectManagedIdentity,
} from '../domain/identity/principals.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { listManagedIdentities } from './identity-directory.ts'

/** Why no token was given, apart from the shape the two endpoints say it in. */
export class ManagedIdentityRefusal extends Error {
  override readonly name = 'ManagedIdentityRefusal'
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export interface ManagedIdentityRequest {
  readonly resource: string | undefined
  readonly selection: ManagedIdentitySelection
  /** The App Service form proves itself by the header's value; the IMDS form asks for no secret. */
  readonly proof: { readonly kind: 'header'; readonly value: string | undefined } | { readonly kind: 'imds' }
}

export function hashOfEndpointHeader(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}

/** Which identity the request may have a token of, and for what. */
export async function resolveManagedIdentity(
  records: SealedRecords,
  { resource, selection, proof }: ManagedIdentityRequest,
): Promise<{ readonly identity: ManagedIdentity; readonly requested: RequestedResource }> {
  const all = await listManagedIdentities(records)
  const candidates =
    proof.kind === 'imds'
      ? all.filter((identity) => identity.isAvailableToImds)
      : all.filter((identity) => matchesHeader(identity, proof.value ?? ''))
  if (proof.kind === 'header' && candidates.length === 0) {
    throw new ManagedIdentityRefusal(401, 'unauthorized', 'The X-IDENTITY-HEADER value is missing or not right.')
  }
  const requested = resource === undefined ? undefined : readResource(resource)
  if (requested === undefined) {
    throw new ManagedIdentityRefusal(400, 'invalid_resource', "The parameter 'resource' has to be an absolute address.")
  }
  const identity = selectManagedIdentity(candidates, selection)
  if (identity === 'notFound') throw new ManagedIdentityRefusal(400, 'invalid_request', 'Identity not found')
  if (identity === 'ambiguous') {
    throw new ManagedIdentityRefusal(
      400,
      'invalid_request',
      'Several identities are available; name one by client_id, object_id or msi_res_id.',
    )
  }
  return { identity, requested }
}

/** Digests are compared, so neither length nor content of the right value shows in the time it takes. */
function matchesHeader(identity: ManagedIdentity, value: string): boolean {
  const presented = Buffer.from(hashOfEndpointHeader(value), 'base64url')
  const stored = Buffer.from(identity.endpointHeaderHash, 'base64url')
  return presented.length === stored.length && timingSafeEqual(presented, stored)
}
