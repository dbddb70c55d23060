/**
 * Where the key that protects all other keys lives. A provider wraps and unwraps 32-byte keys; the wrapping key itself
 * never comes out through this port, so that an HSM or KMS can stand behind it.
 */
export interface RootKeyProvider {
  /** For `doctor` and logs: file, passphrase, pkcs11. */
  readonly kind: string
  /** Tells which wrapping key this provider holds now; it is stored beside everything it wrapped. */
  readonly keyId: string
  /** Authenticated encryption; `context` is bound to the result and has to be given again. */
  wrap(key: Uint8Array, context: string): Promise<Uint8Array>
  /** Throws RootKeyRefused when the bytes were not wrapped by this provider's key under this context. */
  unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array>
  /** Forgets key material. */
  close(): Promise<void>
}

/** The root key does not open this data folder: wrong passphrase, another file, or changed bytes. */
export class RootKeyRefused extends Error {
  override readonly name = 'RootKeyRefused'
}
