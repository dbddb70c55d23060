import Type from 'typebox'
import { authenticated } from '../../domain/access/permission.ts'
import type { Subscription } from '../../domain/identity/tenant.ts'
import { defineOperation } from '../operation.ts'

/** Lists the subscriptions of the caller's tenant; log-in tools read it to choose one. */
export const getSubscriptions = defineOperation({
  id: 'GetSubscriptions',
  summary: "Lists the subscriptions of the caller's tenant.",
  hosts: ['resourceManager'],
  method: 'GET',
  path: '/subscriptions',
  since: 'any',
  permission: authenticated('names and ids of subscriptions are visible to everyone of their tenant'),
  audit: { operationName: 'SubscriptionList' },
  throttle: 'none',
  params: Type.Object({}),
  query: Type.Object({}),
  answer: Type.Unknown(),
  refusals: [],
  async handle({ installation, caller }) {
    const all = await installation.page<Subscription>('subscriptions', { prefix: '', limit: 1_000 })
    const own = all.map(({ meta }) => meta).filter(({ tenantId }) => tenantId === caller?.tid)
    return {
      value: own.map(({ subscriptionId, displayName, tenantId }) => ({
        id: `/subscriptions/${subscriptionId}`,
        authorizationSource: 'RoleBased',
        managedByTenants: [],
        subscriptionId,
        tenantId,
        displayName,
        state: 'Enabled',
        subscriptionPolicies: {
          locationPlacementId: 'Internal_2014-09-01',
          quotaId: 'Internal_2014-09-01',
          spendingLimit: 'Off',
        },
      })),
      count: { type: 'Total', value: own.length },
    }
  },
})
