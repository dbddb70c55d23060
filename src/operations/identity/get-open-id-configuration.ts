import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'
import { answeringRefusals, cacheable } from './oauth-answer.ts'
import { openIdConfiguration, openIdConfigurationOf } from './openid-configuration.ts'
import { tenantParams } from './token-form.ts'

/** Tells a client library where the token endpoint and the signing keys of a tenant are (v1 and adfs form). */
export const getOpenIdConfiguration = defineOperation({
  id: 'GetOpenIdConfiguration',
  summary: 'The OpenID discovery document of a tenant (v1 and adfs form).',
  hosts: ['identity'],
  method: 'GET',
  path: '/{tenant}/.well-known/openid-configuration',
  since: 'any',
  permission: anonymous('clients read this before they have a token'),
  audit: { operationName: 'IdentityMetadataRead' },
  throttle: 'identity',
  params: tenantParams,
  query: Type.Object({}),
  answer: openIdConfiguration,
  refusals: [],
  handle(context, { params }) {
    return answeringRefusals(context, async () => {
      const tenant = await context.authority.requireMetadataTenant(params.tenant)
      return cacheable(openIdConfigurationOf(context.baseUrl, tenant, 'v1'))
    })
  },
})
