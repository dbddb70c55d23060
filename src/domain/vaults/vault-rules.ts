/** Rules of vaults as resources (reference: vaults, section 1 and 5). */
import { MAX_RETENTION_DAYS, MIN_RETENTION_DAYS } from '../limits/limits.ts'

const NAME = /^[a-z](?!.*--)[a-z0-9-]{1,22}[a-z0-9]$/i

/** 3 to 24 of letters, digits and hyphens, starting with a letter, without two hyphens in a row. */
export function isVaultName(name: string): boolean {
  return NAME.test(name)
}

/** As answers name it in a header: `westeurope`. */
export function isLocation(location: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(location)
}

export function isResourceGroup(name: string): boolean {
  return /^[\w().-]{1,90}$/.test(name) && !name.endsWith('.')
}

export function isRetentionDays(days: number): boolean {
  return Number.isInteger(days) && days >= MIN_RETENTION_DAYS && days <= MAX_RETENTION_DAYS
}
