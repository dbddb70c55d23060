import Type from 'typebox'
import { authenticated } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'

/** Lists the tenant of the caller: the one its token is of. */
export const getTenants = defineOperation({
  id: 'GetTenants',
  summary: 'Lists the tenants the caller belongs to.',
  hosts: ['resourceManager'],
  method: 'GET',
  path: '/tenants',
  since: 'any',
  permission: authenticated('a caller is told the tenant that its own token names'),
  audit: { operationName: 'TenantList' },
  throttle: 'none',
  params: Type.Object({}),
  query: Type.Object({}),
  answer: Type.Unknown(),
  refusals: [],
  async handle({ caller }) {
    const tenantId = caller?.tid
    return { value: tenantId === undefined ? [] : [{ id: `/tenants/${tenantId}`, tenantId, tenantCategory: 'Home' }] }
  },
})
