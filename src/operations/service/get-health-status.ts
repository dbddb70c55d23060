import Type from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'

/** Tells that the server answers at this vault's name; load balancers and Private Link checks ask for it. */
export const getHealthStatus = defineOperation({
  id: 'GetHealthStatus',
  summary: 'Tells that the service answers.',
  hosts: ['vault'],
  method: 'GET',
  path: '/healthstatus',
  since: 'any',
  permission: anonymous('load balancers ask for it without a token, as with the real service'),
  audit: { operationName: 'HealthStatusGet' },
  throttle: 'none',
  params: Type.Object({}),
  query: Type.Object({}),
  answer: Type.String(),
  refusals: [],
  async handle() {
    return 'OK'
  },
})
