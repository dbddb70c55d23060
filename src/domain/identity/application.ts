/**
 * An app registration together with its service principal: what signs in without a user. The client id is what it
 * calls itself; the object id is the service principal's and is what role assignments and access policies name.
 */
import type { SignatureAlgorithm } from './signed-token.ts'

export interface Application {
  /** Application id, `appid` in tokens. Also the record's key. */
  readonly clientId: string
  /** Object id of the service principal, `oid` in tokens. */
  readonly objectId: string
  /** Object id of the registration. Nothing is ever granted to it. */
  readonly registrationId: string
  readonly tenantId: string
  readonly displayName: string
  /** May let users sign in without a credential of its own. */
  readonly isPublicClient: boolean
  readonly secrets: readonly ClientSecretEntry[]
  readonly certificates: readonly CertificateCredential[]
  readonly federatedCredentials: readonly FederatedCredential[]
  readonly createdUnixSeconds: number
}

/** What may be listed about a secret. Its hash is in the sealed part of the record, under the same key id. */
export interface ClientSecretEntry {
  readonly keyId: string
  readonly displayName: string
  /** The first three characters of a generated secret; empty for a chosen one, which may be short of them. */
  readonly hint: string
  readonly origin: 'generated' | 'chosen'
  readonly expiresUnixSeconds: number
}

export interface CertificateCredential {
  readonly keyId: string
  readonly displayName: string
  /** Lower-case hex of the certificate's DER. It only picks one of the application's own certificates. */
  readonly thumbprintSha1: string
  readonly thumbprintSha256: string
  /** SubjectPublicKeyInfo as PEM. */
  readonly publicKeyPem: string
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly notBeforeUnixSeconds: number
  readonly expiresUnixSeconds: number
}

/** Trust in tokens of another issuer: compared letter by letter, case included, as the real service does. */
export interface FederatedCredential {
  readonly keyId: string
  readonly displayName: string
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
}

export const DEFAULT_FEDERATED_AUDIENCE = 'api://AzureADTokenExchange'

/** Sealed part of an application's record, as JSON. */
export interface ApplicationSecrets {
  readonly hashes: Readonly<Record<string, import('./secret-hash.ts').SecretHash>>
}

export interface PresentedAssertion {
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
}

/** The first credential that fits, or the first part for which none was left. */
export function matchFederatedCredential(
  credentials: readonly FederatedCredential[],
  presented: PresentedAssertion,
): FederatedCredential | 'issuer' | 'subject' | 'audience' {
  const ofIssuer = credentials.filter((credential) => credential.issuer === presented.issuer)
  if (ofIssuer.length === 0) return 'issuer'
  const ofSubject = ofIssuer.filter((credential) => credential.subject === presented.subject)
  if (ofSubject.length === 0) return 'subject'
  const match = ofSubject.find((credential) =>
    credential.audiences.some((audience) => presented.audiences.includes(audience)),
  )
  return match ?? 'audience'
}

/** How an assertion names the certificate it was signed with. */
export interface CertificateHint {
  readonly x5t?: string | undefined
  readonly x5tS256?: string | undefined
  readonly kid?: string | undefined
}

/**
 * Libraries name the certificate by `x5t` (SHA-1), `x5t#S256`, or a `kid` that is either thumbprint in hex or base64url.
 * Where several are given they have to agree on one certificate.
 */
export function findCertificate(
  certificates: readonly CertificateCredential[],
  hint: CertificateHint,
): CertificateCredential | undefined {
  const wanted: string[] = []
  if (hint.x5t !== undefined) wanted.push(hexOfThumbprint(hint.x5t))
  if (hint.x5tS256 !== undefined) wanted.push(hexOfThumbprint(hint.x5tS256))
  if (wanted.length === 0 && hint.kid !== undefined) wanted.push(hexOfThumbprint(hint.kid))
  if (wanted.length === 0) return undefined
  return certificates.find((certificate) =>
    wanted.every((hex) => hex === certificate.thumbprintSha1 || hex === certificate.thumbprintSha256),
  )
}

function hexOfThumbprint(text: string): string {
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text)) return text.toLowerCase()
  return Buffer.from(text, 'base64url').toString('hex')
}
