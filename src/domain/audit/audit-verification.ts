import type { AuditFinding, AuditRemark, StreamCheck } from './chain-check.ts'

/** What verifying a whole audit folder found. */
export interface AuditVerification {
  /** No finding in any stream. */
  readonly isIntact: boolean
  readonly files: number
  /** Lines with a good mac. */
  readonly records: number
  readonly streams: readonly StreamCheck[]
  /** The first MAX_REMARKS of them. */
  readonly findings: readonly AuditFinding[]
  readonly findingsLeftOff: number
  /** Recoveries and unfinished lines: worth knowing, no sign of tampering. The first MAX_REMARKS of them. */
  readonly notes: readonly AuditRemark[]
  readonly notesLeftOff: number
}

/** Bounds what a report of a badly damaged folder holds. */
export const MAX_REMARKS = 1000
