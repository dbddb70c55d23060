/** What log-in tools ask the management host; vaults as resources come with the control plane. */
import type { Operation } from '../operation.ts'
import { getCloudMetadata } from './get-cloud-metadata.ts'
import { getSubscriptions } from './get-subscriptions.ts'
import { getTenants } from './get-tenants.ts'

export const resourceManagerOperations: readonly Operation[] = [getCloudMetadata, getTenants, getSubscriptions]
