/** Placeholder of the interface until the implementation below it is written. */
export interface BackupSealer {
  /** A blob in the service's envelope, base64url. */
  seal(kind: 'Secret' | 'Key', subscriptionId: string, content: object): Promise<string>
  /** Throws the catalogue's refusals for anything this installation did not make for this subscription. */
  open(kind: 'Secret' | 'Key', subscriptionId: string, blob: string): Promise<unknown>
}
