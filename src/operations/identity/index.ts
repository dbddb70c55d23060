/** Everything the login host and the managed identity endpoints answer. */
import type { Operation } from '../operation.ts'
import { getAppServiceToken } from './get-app-service-token.ts'
import { getImdsToken } from './get-imds-token.ts'
import { getInstanceDiscovery } from './get-instance-discovery.ts'
import { getOpenIdConfiguration } from './get-open-id-configuration.ts'
import { getOpenIdConfigurationV2 } from './get-open-id-configuration-v2.ts'
import { getSigningKeys } from './get-signing-keys.ts'
import { getSigningKeysV2 } from './get-signing-keys-v2.ts'
import { getUserRealm } from './get-user-realm.ts'
import { requestToken } from './request-token.ts'
import { requestTokenV2 } from './request-token-v2.ts'

export const identityOperations: readonly Operation[] = [
  getInstanceDiscovery,
  getOpenIdConfiguration,
  getOpenIdConfigurationV2,
  getSigningKeys,
  getSigningKeysV2,
  requestToken,
  requestTokenV2,
  getUserRealm,
  getAppServiceToken,
  getImdsToken,
]
