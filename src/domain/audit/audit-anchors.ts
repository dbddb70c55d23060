/** Where a stream stood at some moment, kept away from the files: up to here nothing can be cut off unseen. */
export interface AuditAnchor {
  readonly sequence: number
  /** The mac of that record, base64url as in its line. */
  readonly mac: string
}

/**
 * Keeps one anchor per stream where nobody with only the audit files can write, behind the seal of the store.
 * A write replaces the anchor of that stream.
 */
export interface AuditAnchors {
  read(stream: string): Promise<AuditAnchor | undefined>
  write(stream: string, anchor: AuditAnchor): Promise<void>
}

/** What verifying needs: also which streams there must be, so that a folder removed as a whole is missed. */
export interface AuditAnchorReader extends Pick<AuditAnchors, 'read'> {
  streams(): Promise<readonly string[]>
}
