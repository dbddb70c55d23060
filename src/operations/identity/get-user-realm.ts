import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'
import { unstored } from './oauth-answer.ts'

/**
 * Tells MSAL for Python how a user signs in: with a password, here, always. The answer does not depend on whether there
 * is such a user.
 */
export const getUserRealm = defineOperation({
  id: 'GetUserRealm',
  summary: 'How a user signs in.',
  hosts: ['identity'],
  method: 'GET',
  path: '/common/userrealm/{upn}',
  since: 'any',
  permission: anonymous('clients read this before they have a token'),
  audit: { operationName: 'IdentityMetadataRead' },
  throttle: 'identity',
  params: Type.Object({ upn: Type.String({ maxLength: 256 }) }),
  query: Type.Object({}),
  answer: Type.Object({
    ver: Type.String(),
    account_type: Type.String(),
    domain_name: Type.String(),
    cloud_instance_name: Type.String(),
    cloud_audience_urn: Type.String(),
  }),
  refusals: [],
  handle(context, { params }) {
    return Promise.resolve(
      unstored({
        ver: '1.0',
        account_type: 'Managed',
        domain_name: params.upn.slice(params.upn.lastIndexOf('@') + 1),
        cloud_instance_name: new URL(context.baseUrl).host,
        cloud_audience_urn: 'urn:federation:MicrosoftOnline',
      }),
    )
  },
})
