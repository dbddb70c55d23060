/** When a deleted object can be seen, recovered and purged. */
import { SECONDS_PER_DAY, type UnixSeconds } from './times.ts'

export interface Deletion {
  readonly deletedDate: UnixSeconds
  readonly scheduledPurgeDate: UnixSeconds
  /** Until then the deletion is still going on to clients (a setting; the real service takes seconds). */
  readonly visibleFrom: UnixSeconds
}

export function newDeletion(now: UnixSeconds, retentionDays: number, latencySeconds: number): Deletion {
  return {
    deletedDate: now,
    scheduledPurgeDate: (now + retentionDays * SECONDS_PER_DAY) as UnixSeconds,
    visibleFrom: (now + latencySeconds) as UnixSeconds,
  }
}

export function isBeingDeleted(deletion: Deletion, now: UnixSeconds): boolean {
  return now < deletion.visibleFrom
}

export function isPurgeDue(deletion: Deletion, now: UnixSeconds): boolean {
  return now >= deletion.scheduledPurgeDate
}
