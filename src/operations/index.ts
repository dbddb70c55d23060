/** The table of everything Keyhaven answers. Routing, OpenAPI, coverage and the table-driven tests read it. */
import { identityOperations } from './identity/index.ts'
import type { Operation } from './operation.ts'
import { resourceManagerOperations } from './resource-manager/index.ts'
import { secretOperations } from './secrets/index.ts'
import { serviceOperations } from './service/index.ts'

export const operations: readonly Operation[] = [
  ...secretOperations,
  ...identityOperations,
  ...resourceManagerOperations,
  ...serviceOperations,
]
