/** Operations of the service itself, beside the published API. */
import type { Operation } from '../operation.ts'
import { getHealthStatus } from './get-health-status.ts'

export const serviceOperations: readonly Operation[] = [getHealthStatus]
