import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { Answer, defineOperation } from '../operation.ts'
import {
  managedIdentityAnswer,
  managedIdentityQuery,
  managedIdentityTokenAnswer,
  selectionOf,
} from './managed-identity-token.ts'

/**
 * Gives a token of an identity that was opened to local processes (IMDS form). The Metadata header keeps out requests
 * that a browser or a careless fetch was talked into; a forwarded request did not come from this machine.
 */
export const getImdsToken = defineOperation({
  id: 'GetImdsToken',
  summary: 'A token for a managed identity, in the form of the instance metadata service.',
  hosts: ['managedIdentity'],
  method: 'GET',
  path: '/metadata/identity/oauth2/token',
  since: 'any',
  permission: anonymous('any local process may ask for identities that were opened to this endpoint'),
  audit: { operationName: 'TokenIssue' },
  throttle: 'identity',
  params: Type.Object({}),
  query: managedIdentityQuery,
  answer: managedIdentityAnswer,
  refusals: [],
  handle({ authority, headers }, { query }) {
    if (headers.metadata?.toLowerCase() !== 'true')
      return Promise.resolve(refused('Required metadata header not specified'))
    if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) {
      return Promise.resolve(refused('Forwarded requests are not answered'))
    }
    return managedIdentityTokenAnswer(
      authority,
      { resource: query.resource, selection: selectionOf(query), proof: { kind: 'imds' } },
      ({ code, message }) => ({ error: code, error_description: message }),
    )
  },
})

function refused(description: string): Answer {
  const body = { error: 'invalid_request', error_description: description }
  return new Answer({ status: 400, headers: { 'cache-control': 'no-store' }, body })
}
