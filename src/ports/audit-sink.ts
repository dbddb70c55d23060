import type { AuditRecord } from '../domain/audit/audit-record.ts'

/** Where audit records go. Nothing is answered to a client before its record was accepted here. */
export interface AuditSink {
  /**
   * Resolves when the record was handed to the operating system, in the order of the calls. Rejects when it could not
   * be; the request then fails closed.
   */
  append(record: AuditRecord): Promise<void>
  /** Writes out and syncs everything, then releases the stream. */
  close(): Promise<void>
}
