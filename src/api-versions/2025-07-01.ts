import type { ApiVersion } from './api-version.ts'

/** Secrets are the same as in 2026-04-01; earlier versions lack `previousVersion`. */
export const v2025_07_01: ApiVersion = { version: '2025-07-01' }
