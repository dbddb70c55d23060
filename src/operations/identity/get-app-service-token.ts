import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'
import {
  managedIdentityAnswer,
  managedIdentityQuery,
  managedIdentityTokenAnswer,
  selectionOf,
} from './managed-identity-token.ts'

/** Gives a managed identity's token to a process that was told the secret header value (App Service form, 2019-08-01). */
export const getAppServiceToken = defineOperation({
  id: 'GetAppServiceToken',
  summary: 'A token for a managed identity, in the App Service form.',
  hosts: ['managedIdentity'],
  method: 'GET',
  path: '/msi/token',
  since: 'any',
  permission: anonymous('the X-IDENTITY-HEADER value is the proof; there is no token yet'),
  audit: { operationName: 'TokenIssue' },
  throttle: 'identity',
  params: Type.Object({}),
  query: managedIdentityQuery,
  answer: managedIdentityAnswer,
  refusals: [],
  handle({ authority, headers }, { query }) {
    return managedIdentityTokenAnswer(
      authority,
      {
        resource: query.resource,
        selection: selectionOf(query),
        proof: { kind: 'header', value: headers['x-identity-header'] },
      },
      ({ status, message }) => ({ statusCode: status, message }),
    )
  },
})
