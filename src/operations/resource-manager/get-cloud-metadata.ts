import Type from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { defineOperation } from '../operation.ts'

/** Describes this installation as a cloud, for clients that look their endpoints up (`az cloud register`, Terraform). */
export const getCloudMetadata = defineOperation({
  id: 'GetCloudMetadata',
  summary: 'Lists the endpoints and suffixes of this cloud.',
  hosts: ['resourceManager'],
  method: 'GET',
  path: '/metadata/endpoints',
  since: 'any',
  permission: anonymous('clients read it to find the log-in host'),
  audit: { operationName: 'CloudMetadataGet' },
  throttle: 'none',
  params: Type.Object({}),
  query: Type.Object({ 'api-version': Type.Optional(Type.String()) }),
  answer: Type.Unknown(),
  refusals: [],
  async handle({ baseUrl, authorityUrl, vaultSuffix }, { query }) {
    const graph = baseUrl.replace('//management.', '//graph.')
    const version = query['api-version'] ?? ''
    if (version === '2015-01-01') {
      return {
        galleryEndpoint: baseUrl,
        graphEndpoint: graph,
        portalEndpoint: baseUrl,
        authentication: { loginEndpoint: authorityUrl, audiences: [baseUrl] },
      }
    }
    const cloud = {
      name: 'Keyhaven',
      portal: baseUrl,
      authentication: {
        loginEndpoint: authorityUrl,
        audiences: [baseUrl],
        tenant: 'common',
        identityProvider: 'AAD',
      },
      graph,
      graphAudience: graph,
      microsoftGraphResourceId: graph,
      resourceManager: baseUrl,
      suffixes: {
        keyVaultDns: vaultSuffix.slice(1),
        mhsmDns: vaultSuffix.slice(1).replace(/^vault\./, 'managedhsm.'),
      },
    }
    // From 2022-09-01 on it is one cloud; before, a list of them.
    return version >= '2022-09-01' ? cloud : [cloud]
  },
})
