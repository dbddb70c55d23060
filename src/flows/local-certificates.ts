/**
 * TLS without a certificate bought or configured: an authority of this installation's own, and under it a certificate
 * for the names its listener answers to. Both live in the store, their private keys sealed; only the authority's
 * certificate is ever written to a file, for clients to trust.
 *
 * The authority lasts ten years and is replaced only when it has to be, because every client has to be told to trust
 * a new one. It is limited to the names of its domain (name constraints), so a machine that trusts it risks those names
 * and no others if its key were ever stolen. That is why each domain has an authority of its own.
 */
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Expectation, StoreConflict } from '../ports/store.ts'
import type { SealedChange, SealedRecord, SealedRecords } from '../sealing/sealed-store.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'

const MS_PER_HOUR = 3_600_000
const MS_PER_DAY = 24 * MS_PER_HOUR

export const AUTHORITY_VALIDITY_DAYS = 3650
export const SERVER_VALIDITY_DAYS = 90
/** Certificates start a little in the past, for clients whose clock is behind. */
const BACKDATED_MS = MS_PER_HOUR
const SERIAL_BYTES = 16
const MAX_ATTEMPTS = 5
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1']
/** What the service itself is called in the public cloud; the CONNECT proxy ends tunnels to these names here. */
const REAL_NAMES = [
  '*.vault.azure.net',
  '*.managedhsm.azure.net',
  'login.microsoftonline.com',
  'login.windows.net',
  'management.azure.com',
  'graph.microsoft.com',
]
const DOMAIN = /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

export interface LocalCertificates {
  /** What clients have to trust. */
  readonly caCertificatePem: string
  /** The server's certificate, then the authority's. */
  readonly certificateChainPem: string
  readonly privateKeyPem: SecretBytes
  readonly notAfterMs: number
  /** From this moment on, `ensureLocalCertificates` makes a new one. */
  readonly renewAtMs: number
  /** This call issued the server's certificate. */
  readonly renewed: boolean
  /** This call made a new authority: clients have to be told to trust it. */
  readonly authorityIsNew: boolean
}

interface LocalCertificatesOptions {
  /** The records of the installation. */
  readonly records: SealedRecords
  readonly clock: Clock
  readonly random: Random
  readonly domain: string
}

interface AuthorityMeta {
  readonly commonName: string
  readonly certificatePem: string
  readonly permittedDnsNames: readonly string[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

interface ServerMeta {
  readonly certificatePem: string
  readonly authorityCertificatePem: string
  readonly names: readonly string[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** The names and addresses a server of this domain answers to, real names included. */
export function serverNamesOf(domain: string): readonly string[] {
  const services = ['*.vault', '*.managedhsm', 'login', 'management', 'graph', 'metadata']
  const names = [...services.map((service) => `${service}.${domain}`), domain, 'localhost', ...REAL_NAMES]
  return [...new Set(names), ...LOOPBACK_ADDRESSES]
}

/**
 * Answers the certificates of this domain; makes the authority and issues the server's certificate where they are
 * missing, due or no longer fit the names. May be repeated, and run by several processes at once: the first one to
 * commit wins and the others answer what it made. Refuses a domain that is no DNS name, and a clock before the
 * authority's first day, because replacing the authority would break every client that trusts it.
 */
export async function ensureLocalCertificates(options: LocalCertificatesOptions): Promise<LocalCertificates> {
  const { records, clock, domain } = options
  if (!DOMAIN.test(domain) || isIP(domain) !== 0) {
    throw new Error(`'${domain}' can't be the domain of certificates; use a lower-case DNS name such as localhost`)
  }
  const keys = { authority: `${domain}/authority`, server: `${domain}/server` }
  const names = serverNamesOf(domain)
  for (let attempt = 1; ; attempt++) {
    const nowMs = clock.nowMs()
    const [authority, server] = await Promise.all([
      records.read<AuthorityMeta>('serverCertificates', keys.authority),
      records.read<ServerMeta>('serverCertificates', keys.server),
    ])
    const keepsAuthority = authority !== undefined && isAuthorityUsable(authority.meta, names, nowMs)
    if (keepsAuthority && server !== undefined && isServerUsable(server.meta, authority.meta, names, nowMs)) {
      return answer(server.meta, server.openValue(), { renewed: false, authorityIsNew: false })
    }
    const signing = keepsAuthority ? opened(authority) : await makeAuthority(options, names, nowMs)
    const issued = await issueServer(options, signing, names, nowMs)
    try {
      await records.commit([
        keepsAuthority
          ? change(keys.authority, authority.revision, 'keep')
          : change(keys.authority, authority?.revision ?? 'absent', signing.meta, pemOf(signing.privateKey)),
        change(keys.server, server?.revision ?? 'absent', issued.meta, issued.privateKeyPem),
      ])
    } catch (error) {
      // Somebody else was first; what they made is read in the next round.
      if (error instanceof StoreConflict && attempt < MAX_ATTEMPTS) continue
      throw new Error('storing the local certificates', { cause: error })
    }
    return answer(issued.meta, issued.privateKeyPem, { renewed: true, authorityIsNew: !keepsAuthority })
  }
}

function change(key: string, expect: Expectation, meta: object | 'keep', value?: SecretBytes): SealedChange {
  return { collection: 'serverCertificates', key, expect, meta, ...(value === undefined ? {} : { value }) }
}

function isAuthorityUsable(authority: AuthorityMeta, names: readonly string[], nowMs: number): boolean {
  if (nowMs < authority.notBeforeMs) {
    const [validFrom, now] = [authority.notBeforeMs, nowMs].map((ms) => new Date(ms).toISOString())
    throw new Error(`the local authority is valid from ${validFrom} on, but this machine's clock says ${now}`)
  }
  // A server's certificate must not outlive its authority.
  if (authority.notAfterMs < nowMs + SERVER_VALIDITY_DAYS * MS_PER_DAY) return false
  const permitted = new Set(authority.permittedDnsNames)
  return permittedDnsNamesFor(names).every((name) => permitted.has(name))
}

function isServerUsable(
  server: ServerMeta,
  authority: AuthorityMeta,
  names: readonly string[],
  nowMs: number,
): boolean {
  return (
    server.authorityCertificatePem === authority.certificatePem &&
    server.names.length === names.length &&
    server.names.every((name, index) => name === names[index]) &&
    nowMs >= server.notBeforeMs &&
    nowMs < renewalTimeMs(server)
  )
}

/** Two thirds of its life: a month is left to notice that renewal fails. */
function renewalTimeMs({ notBeforeMs, notAfterMs }: ServerMeta): number {
  return notBeforeMs + Math.floor(((notAfterMs - notBeforeMs) * 2) / 3)
}

/** A constraint permits a name and everything below it, so wildcards are permitted by the name they stand under. */
function permittedDnsNamesFor(names: readonly string[]): readonly string[] {
  const parents = names.filter((name) => isIP(name) === 0).map((name) => name.replace(/^\*\./, ''))
  return parents.filter((name) => !parents.some((other) => name.endsWith(`.${other}`)))
}

interface SigningAuthority {
  readonly meta: AuthorityMeta
  readonly privateKey: KeyObject
}

function opened(authority: SealedRecord<AuthorityMeta>): SigningAuthority {
  const value = authority.openValue()
  const privateKey = createPrivateKey(value.reveal())
  value.destroy()
  return { meta: authority.meta, privateKey }
}

async function makeAuthority(
  { random }: LocalCertificatesOptions,
  names: readonly string[],
  nowMs: number,
): Promise<SigningAuthority> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const commonName = `Keyhaven local CA ${Buffer.from(random.bytes(4)).toString('hex')}`
  const validity = validityFrom(nowMs, AUTHORITY_VALIDITY_DAYS)
  const permittedDnsNames = permittedDnsNamesFor(names)
  const { writeAuthorityCertificate } = await certificateWriter()
  const certificatePem = writeAuthorityCertificate({
    ...validity,
    serial: random.bytes(SERIAL_BYTES),
    commonName,
    privateKey,
    permitted: { dnsNames: permittedDnsNames, addresses: LOOPBACK_ADDRESSES },
  })
  return { meta: { ...validity, commonName, certificatePem, permittedDnsNames }, privateKey }
}

async function issueServer(
  { random, domain }: LocalCertificatesOptions,
  authority: SigningAuthority,
  names: readonly string[],
  nowMs: number,
): Promise<{ readonly meta: ServerMeta; readonly privateKeyPem: SecretBytes }> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const validity = validityFrom(nowMs, SERVER_VALIDITY_DAYS)
  const { writeServerCertificate } = await certificateWriter()
  const certificatePem = writeServerCertificate({
    ...validity,
    serial: random.bytes(SERIAL_BYTES),
    // The common name has 64 characters at most and nobody compares it; the names are in the alternative names.
    commonName: `Keyhaven server of ${domain}`.slice(0, 64),
    publicKey,
    issuer: { commonName: authority.meta.commonName, privateKey: authority.privateKey },
    names,
  })
  const meta = { ...validity, certificatePem, authorityCertificatePem: authority.meta.certificatePem, names }
  return { meta, privateKeyPem: pemOf(privateKey) }
}

/** Loaded when something has to be issued, which at most starts it has not: it takes longer than all the rest here. */
function certificateWriter() {
  return import('../formats/x509-certificate.ts')
}

/** Certificates count in whole seconds. */
function validityFrom(nowMs: number, days: number): { notBeforeMs: number; notAfterMs: number } {
  const notBeforeMs = Math.floor((nowMs - BACKDATED_MS) / 1000) * 1000
  return { notBeforeMs, notAfterMs: notBeforeMs + days * MS_PER_DAY }
}

function pemOf(privateKey: KeyObject): SecretBytes {
  return SecretBytes.fromText(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
}

function answer(
  meta: ServerMeta,
  privateKeyPem: SecretBytes,
  what: { readonly renewed: boolean; readonly authorityIsNew: boolean },
): LocalCertificates {
  return {
    caCertificatePem: meta.authorityCertificatePem,
    certificateChainPem: meta.certificatePem + meta.authorityCertificatePem,
    privateKeyPem,
    notAfterMs: meta.notAfterMs,
    renewAtMs: renewalTimeMs(meta),
    ...what,
  }
}
