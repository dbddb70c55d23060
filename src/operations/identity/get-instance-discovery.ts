import { Type } from 'typebox'
import { anonymous } from '../../domain/access/permission.ts'
import { refuseToken } from '../../domain/identity/oauth-refusal.ts'
import type { IdentityContext } from '../contexts.ts'
import { defineOperation } from '../operation.ts'
import { answeringRefusals, cacheable } from './oauth-answer.ts'
import { tenantParams } from './token-form.ts'

/**
 * Tells MSAL that this login host is genuine and where its discovery document is. MSAL asks the host it has built in,
 * which the proxy brings here, about the host it was configured with.
 */
export const getInstanceDiscovery = defineOperation({
  id: 'GetInstanceDiscovery',
  summary: 'Confirms a login host and names its discovery document.',
  hosts: ['identity'],
  method: 'GET',
  path: '/{tenant}/discovery/instance',
  since: 'any',
  permission: anonymous('clients read this before they have a token'),
  audit: { operationName: 'IdentityMetadataRead' },
  throttle: 'identity',
  params: tenantParams,
  query: Type.Object({ authorization_endpoint: Type.Optional(Type.String()) }),
  answer: Type.Object({
    tenant_discovery_endpoint: Type.String(),
    'api-version': Type.String(),
    metadata: Type.Array(
      Type.Object({
        preferred_network: Type.String(),
        preferred_cache: Type.String(),
        aliases: Type.Array(Type.String()),
      }),
    ),
  }),
  refusals: [],
  handle(context, { query }) {
    return answeringRefusals(context, async () => {
      const asked = readEndpoint(query.authorization_endpoint)
      const base = asked && ownBaseOf(context, asked)
      if (asked === undefined || base === undefined) throw refuseToken('InvalidInstance')
      const tenant = await context.authority.requireMetadataTenant(asked.tenant)
      const { host } = new URL(base)
      return cacheable({
        tenant_discovery_endpoint: `${base}/${tenant}/v2.0/.well-known/openid-configuration`,
        'api-version': '1.1',
        metadata: [{ preferred_network: host, preferred_cache: host, aliases: aliasesOf(host) }],
      })
    })
  },
})

interface Endpoint {
  readonly host: string
  readonly hostname: string
  readonly tenant: string
}

function readEndpoint(address: string | undefined): Endpoint | undefined {
  if (address === undefined || !URL.canParse(address)) return undefined
  const { host, hostname, pathname, protocol } = new URL(address)
  const tenant = pathname.split('/')[1]
  return protocol === 'https:' && tenant ? { host, hostname, tenant } : undefined
}

/**
 * Which of our own addresses is meant: nothing of the question but the tenant gets into the answer. MSAL for Python
 * leaves the port out.
 */
function ownBaseOf(context: IdentityContext, asked: Endpoint): string | undefined {
  return [context.authorityUrl, context.baseUrl].find((base) => {
    const { host, hostname } = new URL(base)
    return asked.host === host || asked.host === hostname
  })
}

function aliasesOf(host: string): readonly string[] {
  const hostname = host.replace(/:\d+$/, '')
  return hostname === host ? [host] : [host, hostname]
}
