import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'
import { keySet, keySetOf } from './key-set.ts'
import { answeringRefusals, cacheable } from './oauth-answer.ts'
import { tenantParams } from './token-form.ts'

/** Answers the public keys tokens are checked with, the next one included before it signs (v1 and adfs path). */
export const getSigningKeys = defineOperation({
  id: 'GetSigningKeys',
  summary: 'The public keys that tokens of this installation are signed with (v1 and adfs path).',
  hosts: ['identity'],
  method: 'GET',
  path: '/{tenant}/discovery/keys',
  since: 'any',
  permission: anonymous('public keys; whoever checks a token reads them'),
  audit: { operationName: 'IdentityMetadataRead' },
  throttle: 'identity',
  params: tenantParams,
  query: Type.Object({}),
  answer: keySet,
  refusals: [],
  handle(context, { params }) {
    return answeringRefusals(context, async () => {
      await context.authority.requireMetadataTenant(params.tenant)
      return cacheable(keySetOf(await context.authority.publishedKeys()))
    })
  },
})
