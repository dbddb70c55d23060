/** Makes and changes app registrations and their credentials. A generated secret is answered once and kept nowhere. */
import { X509Certificate } from 'node:crypto'
import {
  type Application,
  type ApplicationSecrets,
  type CertificateCredential,
  type ClientSecretEntry,
  DEFAULT_FEDERATED_AUDIENCE,
  type FederatedCredential,
} from '../domain/identity/application.ts'
import {
  DEFAULT_SECRET_DAYS,
  MAX_CERTIFICATES_PER_APPLICATION,
  MAX_CHOSEN_SECRETS_PER_APPLICATION,
  MAX_FEDERATED_CREDENTIALS_PER_APPLICATION,
  MAX_SECRET_CHARACTERS,
  MAX_SECRET_DAYS,
  MAX_SECRETS_PER_APPLICATION,
  MIN_CHOSEN_SECRET_CHARACTERS,
} from '../domain/identity/limits.ts'
import {
  GENERATED_SECRET_BYTES,
  hashChosenSecret,
  hashGeneratedSecret,
  SECRET_SALT_BYTES,
  type SecretHash,
  secretFromRandom,
} from '../domain/identity/secret-hash.ts'
import { algorithmsOf } from '../domain/identity/signed-token.ts'
import { SECONDS_PER_DAY, unixSecondsOf } from '../domain/vault-objects/times.ts'
import { StoreConflict } from '../ports/store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'
import {
  type IdentityParts,
  IdentityRefused,
  idFrom,
  requireDisplayName,
  requireTenant,
  retrying,
} from './identity-administration.ts'
import { findApplication, secretsOfApplication } from './identity-directory.ts'

export interface NewApplication {
  readonly displayName: string
  readonly tenantId: string
  readonly clientId?: string | undefined
  readonly isPublicClient?: boolean | undefined
  /** 0 for an application without a secret. */
  readonly secretDays?: number | undefined
}

export interface CreatedApplication {
  readonly application: Application
  readonly clientId: string
  /** Object id of the service principal: what roles are assigned to. */
  readonly objectId: string
  /** Undefined where none was asked for. */
  readonly clientSecret: string | undefined
}

export async function createApplication(parts: IdentityParts, wanted: NewApplication): Promise<CreatedApplication> {
  const secretDays = wanted.secretDays ?? (wanted.isPublicClient ? 0 : DEFAULT_SECRET_DAYS)
  const made = secretDays === 0 ? undefined : generateSecret(parts, { displayName: 'first', days: secretDays })
  const application: Application = {
    clientId: idFrom(parts.random, wanted.clientId),
    objectId: parts.random.uuid(),
    registrationId: parts.random.uuid(),
    tenantId: await requireTenant(parts.records, wanted.tenantId),
    displayName: requireDisplayName(wanted.displayName),
    isPublicClient: wanted.isPublicClient ?? false,
    secrets: made ? [made.entry] : [],
    certificates: [],
    federatedCredentials: [],
    createdUnixSeconds: unixSecondsOf(parts.clock.nowMs()),
  }
  const hashes = made ? { [made.entry.keyId]: made.hash } : {}
  try {
    await parts.records.commit([
      {
        collection: 'applications',
        key: application.clientId,
        expect: 'absent',
        meta: application,
        value: sealed({ hashes }),
      },
    ])
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
    throw new IdentityRefused(`there is an application ${application.clientId} already`, { cause: error })
  }
  return { application, clientId: application.clientId, objectId: application.objectId, clientSecret: made?.secret }
}

/** Its tokens go on counting until they expire; role assignments to it stay and match nobody. */
export async function deleteApplication(parts: IdentityParts, clientId: string): Promise<void> {
  await retrying(async () => {
    const record = await requireApplication(parts, clientId)
    await parts.records.commit([{ collection: 'applications', key: record.key, expect: record.revision, meta: null }])
  })
}

export interface NewSecret {
  readonly displayName: string
  readonly days?: number | undefined
}

export interface AddedSecret {
  readonly entry: ClientSecretEntry
  readonly secret: string
}

export async function addGeneratedSecret(
  parts: IdentityParts,
  clientId: string,
  wanted: NewSecret,
): Promise<AddedSecret> {
  const { secret, entry, hash } = generateSecret(parts, wanted)
  await addSecret(parts, clientId, entry, hash)
  return { entry, secret }
}

/** For secrets that have to be a certain value. They are slow to check, so prefer a generated one. */
export async function addChosenSecret(
  parts: IdentityParts,
  clientId: string,
  wanted: NewSecret & { readonly secret: string },
): Promise<ClientSecretEntry> {
  const { length } = wanted.secret
  if (length < MIN_CHOSEN_SECRET_CHARACTERS || length > MAX_SECRET_CHARACTERS) {
    throw new IdentityRefused(`a secret has ${MIN_CHOSEN_SECRET_CHARACTERS} to ${MAX_SECRET_CHARACTERS} characters`)
  }
  const entry = secretEntry(parts, wanted, { hint: '', origin: 'chosen' })
  await addSecret(parts, clientId, entry, await hashChosenSecret(wanted.secret, parts.random.bytes(SECRET_SALT_BYTES)))
  return entry
}

export async function removeSecret(parts: IdentityParts, clientId: string, keyId: string): Promise<void> {
  await change(parts, clientId, (application, { hashes }) => {
    if (!application.secrets.some((entry) => entry.keyId === keyId)) {
      throw new IdentityRefused(`the application has no secret ${keyId}`)
    }
    return {
      application: { ...application, secrets: application.secrets.filter((entry) => entry.keyId !== keyId) },
      secrets: { hashes: Object.fromEntries(Object.entries(hashes).filter(([id]) => id !== keyId)) },
    }
  })
}

/** `certificate` is PEM or DER. Only its public key and thumbprints are kept. */
export async function addCertificate(
  parts: IdentityParts,
  clientId: string,
  wanted: { readonly displayName: string; readonly certificate: Uint8Array },
): Promise<CertificateCredential> {
  const credential = readCertificate(parts, wanted)
  await change(parts, clientId, (application, secrets) => {
    const { certificates } = application
    if (certificates.length >= MAX_CERTIFICATES_PER_APPLICATION) {
      throw new IdentityRefused(`an application has at most ${MAX_CERTIFICATES_PER_APPLICATION} certificates`)
    }
    if (certificates.some(({ thumbprintSha256 }) => thumbprintSha256 === credential.thumbprintSha256)) {
      throw new IdentityRefused('the application has this certificate already')
    }
    return { application: { ...application, certificates: [...certificates, credential] }, secrets }
  })
  return credential
}

export interface NewFederatedCredential {
  readonly displayName: string
  readonly issuer: string
  readonly subject: string
  readonly audiences?: readonly string[] | undefined
}

export async function addFederatedCredential(
  parts: IdentityParts,
  clientId: string,
  wanted: NewFederatedCredential,
): Promise<FederatedCredential> {
  const issuer = URL.canParse(wanted.issuer) ? new URL(wanted.issuer) : undefined
  if (issuer === undefined || !/^https?:$/.test(issuer.protocol) || issuer.search !== '' || issuer.hash !== '') {
    throw new IdentityRefused('an issuer is the https address that its tokens carry as iss, letter by letter')
  }
  if (wanted.subject === '') throw new IdentityRefused('a subject is the sub of the tokens, letter by letter')
  const credential: FederatedCredential = {
    keyId: parts.random.uuid(),
    displayName: requireDisplayName(wanted.displayName),
    issuer: wanted.issuer,
    subject: wanted.subject,
    audiences: wanted.audiences ?? [DEFAULT_FEDERATED_AUDIENCE],
  }
  await change(parts, clientId, (application, secrets) => {
    const { federatedCredentials } = application
    if (federatedCredentials.length >= MAX_FEDERATED_CREDENTIALS_PER_APPLICATION) {
      throw new IdentityRefused(
        `an application has at most ${MAX_FEDERATED_CREDENTIALS_PER_APPLICATION} federated credentials`,
      )
    }
    return { application: { ...application, federatedCredentials: [...federatedCredentials, credential] }, secrets }
  })
  return credential
}

/** Removes a certificate or a federated credential. */
export async function removeCredential(parts: IdentityParts, clientId: string, keyId: string): Promise<void> {
  await change(parts, clientId, (application, secrets) => {
    const certificates = application.certificates.filter((entry) => entry.keyId !== keyId)
    const federatedCredentials = application.federatedCredentials.filter((entry) => entry.keyId !== keyId)
    const isGone =
      certificates.length < application.certificates.length ||
      federatedCredentials.length < application.federatedCredentials.length
    if (!isGone) throw new IdentityRefused(`the application has no certificate or federated credential ${keyId}`)
    return { application: { ...application, certificates, federatedCredentials }, secrets }
  })
}

async function addSecret(parts: IdentityParts, clientId: string, entry: ClientSecretEntry, hash: SecretHash) {
  await change(parts, clientId, (application, { hashes }) => {
    const { secrets } = application
    const chosen = secrets.filter(({ origin }) => origin === 'chosen').length
    if (secrets.length >= MAX_SECRETS_PER_APPLICATION) {
      throw new IdentityRefused(`an application has at most ${MAX_SECRETS_PER_APPLICATION} secrets; remove one first`)
    }
    if (entry.origin === 'chosen' && chosen >= MAX_CHOSEN_SECRETS_PER_APPLICATION) {
      throw new IdentityRefused(`an application has at most ${MAX_CHOSEN_SECRETS_PER_APPLICATION} chosen secrets`)
    }
    return {
      application: { ...application, secrets: [...secrets, entry] },
      secrets: { hashes: { ...hashes, [entry.keyId]: hash } },
    }
  })
}

interface Changed {
  readonly application: Application
  readonly secrets: ApplicationSecrets
}

async function change(
  parts: IdentityParts,
  clientId: string,
  decide: (application: Application, secrets: ApplicationSecrets) => Changed,
): Promise<void> {
  await retrying(async () => {
    const record = await requireApplication(parts, clientId)
    const { application, secrets } = decide(record.meta, secretsOfApplication(record))
    await parts.records.commit([
      {
        collection: 'applications',
        key: record.key,
        expect: record.revision,
        meta: application,
        value: sealed(secrets),
      },
    ])
  })
}

async function requireApplication(parts: IdentityParts, clientId: string) {
  const record = await findApplication(parts.records, clientId)
  if (record === undefined) {
    throw new IdentityRefused(`there is no application ${clientId}; "keyhaven app list" shows the client ids`)
  }
  return record
}

function sealed(secrets: ApplicationSecrets): SecretBytes {
  return SecretBytes.fromText(JSON.stringify(secrets))
}

function generateSecret(parts: IdentityParts, wanted: NewSecret) {
  const secret = secretFromRandom(parts.random.bytes(GENERATED_SECRET_BYTES))
  const entry = secretEntry(parts, wanted, { hint: secret.slice(0, 3), origin: 'generated' })
  return { secret, entry, hash: hashGeneratedSecret(secret, parts.random.bytes(SECRET_SALT_BYTES)) }
}

function secretEntry(
  { clock, random }: IdentityParts,
  { displayName, days = DEFAULT_SECRET_DAYS }: NewSecret,
  rest: Pick<ClientSecretEntry, 'hint' | 'origin'>,
): ClientSecretEntry {
  if (!Number.isInteger(days) || days < 1 || days > MAX_SECRET_DAYS) {
    throw new IdentityRefused(`a secret is good for 1 to ${MAX_SECRET_DAYS} days`)
  }
  const expiresUnixSeconds = unixSecondsOf(clock.nowMs()) + days * SECONDS_PER_DAY
  return { keyId: random.uuid(), displayName: requireDisplayName(displayName), expiresUnixSeconds, ...rest }
}

function readCertificate(
  { clock, random }: IdentityParts,
  { displayName, certificate }: { readonly displayName: string; readonly certificate: Uint8Array },
): CertificateCredential {
  const parsed = parseCertificate(certificate)
  const algorithms = algorithmsOf(parsed.publicKey)
  if (algorithms.length === 0) {
    throw new IdentityRefused('the key of a certificate has to be RSA of 2048 bits or more, or EC on P-256')
  }
  const expiresUnixSeconds = unixSecondsOf(parsed.validToDate.getTime())
  if (expiresUnixSeconds * 1000 <= clock.nowMs()) throw new IdentityRefused('the certificate has expired')
  return {
    keyId: random.uuid(),
    displayName: requireDisplayName(displayName),
    thumbprintSha1: hexOf(parsed.fingerprint),
    thumbprintSha256: hexOf(parsed.fingerprint256),
    publicKeyPem: String(parsed.publicKey.export({ format: 'pem', type: 'spki' })),
    algorithms,
    notBeforeUnixSeconds: unixSecondsOf(parsed.validFromDate.getTime()),
    expiresUnixSeconds,
  }
}

function parseCertificate(certificate: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch (cause) {
    throw new IdentityRefused('the file is not a certificate in PEM or DER form', { cause })
  }
}

function hexOf(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase()
}
