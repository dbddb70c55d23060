import type { ApiVersion } from './api-version.ts'

/** What the handlers speak. */
export const newest: ApiVersion = { version: '2026-04-01' }
