import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { MAX_TOKEN_FORM_BYTES } from '../../domain/identity/limits.ts'
import type { TokenRequest } from '../../flows/token-request.ts'
import type { IdentityContext } from '../contexts.ts'
import { defineOperation } from '../operation.ts'
import { answeringRefusals, unstored } from './oauth-answer.ts'
import { tenantParams, tokenAnswer, tokenAnswerOf, tokenForm } from './token-form.ts'

/** Gives a token at the v1 endpoint, and at `/adfs/oauth2/token`, which speaks the newer form under the older path. */
export const requestToken = defineOperation({
  id: 'RequestToken',
  summary: 'Gives an access token to an application or user that proves itself (v1 and adfs endpoint).',
  hosts: ['identity'],
  method: 'POST',
  path: '/{tenant}/oauth2/token',
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
    const resourceParameter = params.tenant.toLowerCase() === 'adfs' ? 'scope' : 'resource'
    const endpointUrl = `${context.baseUrl}/${params.tenant}/oauth2/token`
    return grantAt(context, { tenant: params.tenant, form: body, endpointUrl, resourceParameter })
  },
})

/** Both token endpoints do the same from here on. */
export function grantAt(
  context: IdentityContext,
  asked: Pick<TokenRequest, 'tenant' | 'form' | 'endpointUrl' | 'resourceParameter'>,
) {
  return answeringRefusals(context, async () => {
    const { authorization } = context.headers
    const { clientAddress } = context
    const granted = await context.authority.grant({ ...asked, authorizationHeader: authorization, clientAddress })
    return unstored(tokenAnswerOf(granted))
  })
}
