/** Where the keys of issuers other than ourselves come from: those in the settings, and those of federated credentials. */
import type { Clock } from '../../../ports/clock.ts'
import type { IssuerKeys } from '../../../ports/issuer-keys.ts'
import { documentReader, type ReadDocument, readDocumentFile, requireSafeAddress } from './read-document.ts'
import { RefreshingIssuerKeys } from './refreshing-issuer-keys.ts'
import { MAX_FEDERATED_ISSUERS, type OutsideIssuerSettings } from './settings.ts'

export interface OutsideIssuersParts {
  readonly clock: Clock
  readonly settings: readonly OutsideIssuerSettings[]
  /** Told about every refresh that failed, so that it can be logged. */
  readonly onFailure: (issuer: string, error: unknown) => void
}

export interface OutsideIssuers {
  /** Keys of an issuer; one that is not in the settings is found by its discovery document. */
  keysOf(issuer: string): IssuerKeys
}

/** Throws when a setting is unsafe or contradictory, or a key file cannot be read. Addresses are not asked yet. */
export async function openOutsideIssuers({ clock, settings, onFailure }: OutsideIssuersParts): Promise<OutsideIssuers> {
  const readDocument = documentReader(clock)
  const configured = new Map<string, IssuerKeys>()
  const discovered = new Map<string, IssuerKeys>()

  const keysFrom = (issuer: string, read: () => Promise<unknown>) =>
    new RefreshingIssuerKeys({
      clock,
      read,
      onFailure: (error) => {
        onFailure(issuer, error)
      },
    })

  for (const { issuer, jwksUri, jwksFile } of settings) {
    if (configured.has(issuer)) throw new Error(`the issuer ${issuer} is configured twice`)
    if (jwksUri !== undefined && jwksFile !== undefined)
      throw new Error(`${issuer}: give jwksUri or jwksFile, not both`)
    if (jwksFile !== undefined) {
      const keys = keysFrom(issuer, () => readDocumentFile(jwksFile))
      await keys.load()
      configured.set(issuer, keys)
    } else if (jwksUri !== undefined) {
      requireSafeAddress(jwksUri)
      configured.set(
        issuer,
        keysFrom(issuer, () => readDocument(jwksUri)),
      )
    } else {
      requireSafeAddress(issuer)
      configured.set(
        issuer,
        keysFrom(issuer, () => readDiscovered(readDocument, issuer)),
      )
    }
  }

  return {
    keysOf(issuer) {
      const known = configured.get(issuer) ?? discovered.get(issuer)
      const keys = known ?? keysFrom(issuer, () => readDiscovered(readDocument, issuer))
      if (configured.has(issuer)) return keys
      discovered.delete(issuer)
      discovered.set(issuer, keys)
      const [oldest] = discovered.keys()
      if (discovered.size > MAX_FEDERATED_ISSUERS && oldest !== undefined) discovered.delete(oldest)
      return keys
    },
  }
}

/** OpenID Connect Discovery: the document has to name the very issuer it was asked for. */
async function readDiscovered(readDocument: ReadDocument, issuer: string): Promise<unknown> {
  const base = issuer.replace(/\/$/, '')
  const document = await readDocument(`${base}/.well-known/openid-configuration`)
  const { issuer: named, jwks_uri: address } = Object(document) as { issuer?: unknown; jwks_uri?: unknown }
  if (named !== issuer) throw new Error(`the discovery document of ${issuer} names another issuer`)
  if (typeof address !== 'string') throw new Error(`the discovery document of ${issuer} names no jwks_uri`)
  return readDocument(address)
}
