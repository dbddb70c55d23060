/** What the two managed identity endpoints share: their parameters and their answer. */
import { Type } from 'typebox'
import type { ManagedIdentitySelection } from '../../domain/identity/principals.ts'
import type { TokenAuthority } from '../../flows/token-authority.ts'
import { ManagedIdentityRefusal, type ManagedIdentityRequest } from '../../flows/token-managed-identity.ts'
import { Answer } from '../operation.ts'
import { unstored } from './oauth-answer.ts'

const parameter = Type.Optional(Type.String())

export const managedIdentityQuery = Type.Object({
  'api-version': parameter,
  resource: parameter,
  client_id: parameter,
  object_id: parameter,
  /** What newer clients call the object id. */
  principal_id: parameter,
  mi_res_id: parameter,
  msi_res_id: parameter,
})

export interface ManagedIdentityQuery {
  readonly client_id?: string
  readonly object_id?: string
  readonly principal_id?: string
  readonly mi_res_id?: string
  readonly msi_res_id?: string
}

export function selectionOf(query: ManagedIdentityQuery): ManagedIdentitySelection {
  return {
    clientId: query.client_id,
    objectId: query.object_id ?? query.principal_id,
    resourceId: query.mi_res_id ?? query.msi_res_id,
  }
}

/** Every number is a string here. */
export const managedIdentityAnswer = Type.Object({
  access_token: Type.String(),
  client_id: Type.String(),
  expires_in: Type.String(),
  expires_on: Type.String(),
  ext_expires_in: Type.String(),
  not_before: Type.String(),
  resource: Type.String(),
  token_type: Type.Literal('Bearer'),
})

/** `refused` turns a refusal into the body of the endpoint's own shape. */
export async function managedIdentityTokenAnswer(
  authority: TokenAuthority,
  request: ManagedIdentityRequest,
  refused: (refusal: ManagedIdentityRefusal) => object,
): Promise<Answer> {
  try {
    const issued = await authority.grantToManagedIdentity(request)
    const lifetime = String(issued.expires - issued.issued)
    return unstored({
      access_token: issued.accessToken,
      client_id: issued.clientId,
      expires_in: lifetime,
      expires_on: String(issued.expires),
      ext_expires_in: lifetime,
      not_before: String(issued.issued),
      resource: issued.resource,
      token_type: 'Bearer',
    })
  } catch (error) {
    if (!(error instanceof ManagedIdentityRefusal)) throw error
    return new Answer({ status: error.status, headers: { 'cache-control': 'no-store' }, body: refused(error) })
  }
}
