import {
  OTHER_TRANSACTIONS_PER_WINDOW,
  SECRET_CREATES_PER_WINDOW,
  THROTTLE_WINDOW_MS,
} from '../../domain/limits/limits.ts'
import { refuse } from '../../errors/refusal.ts'
import type { ThrottleClass } from '../../operations/operation.ts'

export interface Throttle {
  /** Counts a request, or refuses it with 429; a refused one does not count (reference: limits-and-errors, section 1). */
  take(vaultId: string, throttleClass: ThrottleClass, nowMs: number): void
}

interface Bucket {
  /** How much may be taken now. */
  level: number
  filledMs: number
}

const MAX_BUCKETS = 20_000

/**
 * The service's budgets per vault as token buckets, times `scale`; 0 switches them off. Each process counts for itself.
 */
export function createThrottle(scale: number): Throttle {
  const buckets = new Map<string, Bucket>()
  const budgets: Partial<Record<ThrottleClass, number>> = {
    secretCreate: SECRET_CREATES_PER_WINDOW * scale,
    secretsAndVaults: OTHER_TRANSACTIONS_PER_WINDOW * scale,
  }
  return {
    take(vaultId, throttleClass, nowMs) {
      const budget = scale === 0 ? undefined : budgets[throttleClass]
      if (budget === undefined) return
      const key = `${vaultId} ${throttleClass}`
      const bucket = buckets.get(key) ?? { level: budget, filledMs: nowMs }
      const refilled = bucket.level + ((nowMs - bucket.filledMs) * budget) / THROTTLE_WINDOW_MS
      bucket.level = Math.min(budget, Math.max(bucket.level, refilled))
      bucket.filledMs = nowMs
      if (buckets.size >= MAX_BUCKETS && !buckets.has(key)) buckets.clear()
      buckets.set(key, bucket)
      if (bucket.level < 1) throw refuse('Throttled')
      bucket.level -= 1
    },
  }
}
