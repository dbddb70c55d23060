import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { MAX_TOKEN_FORM_BYTES } from '../../domain/identity/limits.ts'
import { defineOperation } from '../operation.ts'
import { grantAt } from './request-token.ts'
import { tenantParams, tokenAnswer, tokenForm } from './token-form.ts'

/** Gives a token at the v2 endpoint, which also answers under `/adfs`. */
export const requestTokenV2 = defineOperation({
  id: 'RequestTokenV2',
  summary: 'Gives an access token to an application or user that proves itself (v2 endpoint).',
  hosts: ['identity'],
  method: 'POST',
  path: '/{tenant}/oauth2/v2.0/token',
  since: 'any',
  permission: anonymous('this is where callers get the token they will need everywhere else'),
  audit: { operationName: 'TokenIssue' },
  throttle: 'identity',
  params: tenantParams,
  query: Type.Object({}),
  body: tokenForm,
  bodyFormat: 'form',
  maxBodyBytes: MAX_TOKEN_FORM_BYTES,
  answer: tokenAnswer,
  refusals: [],
  handle(context, { params, body }) {
    const endpointUrl = `${context.baseUrl}/${params.tenant}/oauth2/v2.0/token`
    return grantAt(context, { tenant: params.tenant, form: body, endpointUrl, resourceParameter: 'scope' })
  },
})
