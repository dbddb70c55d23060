/**
 * The certificate and key the listener answers with, and how they are replaced while it runs. Material comes from a
 * source: the local authority (which renews by itself) or two PEM files of the operator's (which somebody else renews).
 * A live material looks at its source now and then, and on SIGHUP, and gives what is new to the servers; connections
 * that are open stay as they are. What can't be used stops a start, but never a running server.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls'
import type { Clock } from '../ports/clock.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'

export const FILE_CHECK_INTERVAL_MS = 10_000
/** Often enough to notice soon what another process of this installation renewed. */
export const LOCAL_CHECK_INTERVAL_MS = 3_600_000
/** A stolen ticket key opens the TLS 1.2 sessions made under it, so none lives longer than a day. */
export const TICKET_KEY_LIFETIME_MS = 86_400_000
const SESSION_TIMEOUT_SECONDS = 3600
const MAX_PEM_FILE_BYTES = 1024 * 1024
/** Only key agreement with forward secrecy and authenticated encryption; the first three are TLS 1.3's. */
const CIPHER_SUITES = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
]
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

export interface TlsMaterial {
  /** The server's certificate first, then those that lead to the root. */
  readonly certificateChainPem: string
  /** Not encrypted. */
  readonly privateKeyPem: SecretBytes
  readonly notAfterMs: number
}

export interface TlsSource {
  readonly checkIntervalMs: number
  /**
   * Answers the material to use now, or undefined while it is the same as last time. With `force` it answers it in any
   * case. Throws TlsMaterialProblem when there is none that could be used.
   */
  load(force: boolean): Promise<TlsMaterial | undefined>
}

export type TlsProblemKind =
  | 'unreadable'
  | 'notCertificate'
  | 'notKey'
  | 'keyEncrypted'
  | 'keyMismatch'
  | 'expired'
  | 'notYetValid'
  | 'refusedByTls'

/** A certificate or key that can't be used. The message names the file and what to do, never what is in it. */
export class TlsMaterialProblem extends Error {
  override readonly name = 'TlsMaterialProblem'
  readonly kind: TlsProblemKind
  constructor(kind: TlsProblemKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** Options for `tls.createServer`, `https.createServer` and `setSecureContext`: TLS 1.2 and 1.3 only. */
export function tlsOptionsOf(material: TlsMaterial): SecureContextOptions {
  return {
    cert: material.certificateChainPem,
    key: material.privateKeyPem.reveal(),
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHER_SUITES.join(':'),
    honorCipherOrder: true,
    sessionTimeout: SESSION_TIMEOUT_SECONDS,
  }
}

/** Material of the local authority; `ensure` is `ensureLocalCertificates` with its options. */
export function localTlsSource(ensure: () => Promise<TlsMaterial>): TlsSource {
  let lastChainPem: string | undefined
  return {
    checkIntervalMs: LOCAL_CHECK_INTERVAL_MS,
    async load(force) {
      const material = await ensure()
      if (!force && material.certificateChainPem === lastChainPem) return undefined
      lastChainPem = material.certificateChainPem
      return material
    },
  }
}

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Opens the key file where it is encrypted. */
  readonly passphrase?: SecretBytes
}

/**
 * Material of two PEM files. Whether they changed is asked of the file system by polling: notifications get lost when
 * files are replaced through a link, as Kubernetes does.
 */
export function fileTlsSource(files: TlsFiles, clock: Clock): TlsSource {
  let lastSeen: string | undefined
  return {
    checkIntervalMs: FILE_CHECK_INTERVAL_MS,
    async load(force) {
      // Taken before reading: what changes in between is then seen as a change the next time. What can't be used is
      // remembered as well, so that it is reported once and not every ten seconds.
      const seen = `${await identityOf(files.certFile)} ${await identityOf(files.keyFile)}`
      if (!force && seen === lastSeen) return undefined
      lastSeen = seen
      return readTlsFiles(files, clock.nowMs())
    },
  }
}

async function identityOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join('/')
  } catch (error) {
    return `unreadable: ${reasonOf(error)}`
  }
}

/** Reads and checks a certificate chain and its key; throws TlsMaterialProblem with what is wrong. */
export async function readTlsFiles(files: TlsFiles, nowMs: number): Promise<TlsMaterial> {
  const certificateChainPem = (await readPem(files.certFile, 'certificate')).toString('utf8')
  const certificate = serverCertificateOf(certificateChainPem, files.certFile)
  const keyFilePem = await readPem(files.keyFile, 'private key')
  const key = privateKeyOf(keyFilePem, files)
  keyFilePem.fill(0)
  if (!certificate.checkPrivateKey(key)) {
    throw new TlsMaterialProblem(
      'keyMismatch',
      `The key in ${files.keyFile} does not belong to the certificate in ${files.certFile}. The first certificate of the file has to be the server's own.`,
    )
  }
  const { validFromDate, validToDate } = certificate
  if (validToDate.getTime() <= nowMs) {
    throw new TlsMaterialProblem(
      'expired',
      `The certificate in ${files.certFile} expired on ${validToDate.toISOString()}. Renew it.`,
    )
  }
  if (validFromDate.getTime() > nowMs) {
    throw new TlsMaterialProblem(
      'notYetValid',
      `The certificate in ${files.certFile} is not valid before ${validFromDate.toISOString()}. Check this machine's clock.`,
    )
  }
  const privateKeyPem = SecretBytes.fromText(key.export({ type: 'pkcs8', format: 'pem' }).toString())
  const material = { certificateChainPem, privateKeyPem, notAfterMs: validToDate.getTime() }
  try {
    createSecureContext(tlsOptionsOf(material))
  } catch (error) {
    throw new TlsMaterialProblem(
      'refusedByTls',
      `The certificate in ${files.certFile} can't be used for TLS: ${reasonOf(error)}`,
      error,
    )
  }
  return material
}

async function readPem(file: string, what: string): Promise<Buffer> {
  try {
    const { size } = await stat(file)
    if (size > MAX_PEM_FILE_BYTES) throw new Error(`it is larger than ${MAX_PEM_FILE_BYTES} bytes`)
    return await readFile(file)
  } catch (error) {
    throw new TlsMaterialProblem('unreadable', `The ${what} file ${file} can't be read: ${reasonOf(error)}`, error)
  }
}

function serverCertificateOf(chainPem: string, file: string): X509Certificate {
  try {
    const chain = (chainPem.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem))
    if (chain[0] !== undefined) return chain[0]
  } catch (error) {
    throw new TlsMaterialProblem('notCertificate', `A certificate in ${file} can't be read: ${reasonOf(error)}`, error)
  }
  throw new TlsMaterialProblem('notCertificate', `The file ${file} holds no certificate in PEM form.`)
}

function privateKeyOf(pem: Buffer, { keyFile, passphrase }: TlsFiles): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }) })
  } catch {
    const isEncrypted = pem.includes('ENCRYPTED')
    if (isEncrypted && passphrase === undefined) {
      throw new TlsMaterialProblem(
        'keyEncrypted',
        `The key in ${keyFile} is encrypted and no passphrase was given. Decrypt it with: openssl pkey -in ENCRYPTED -out PLAIN`,
      )
    }
    // What the library says is kept out: it can't be known for every version that it quotes nothing of the key.
    throw isEncrypted
      ? new TlsMaterialProblem('keyEncrypted', `The passphrase does not open the key in ${keyFile}.`)
      : new TlsMaterialProblem('notKey', `The file ${keyFile} holds no private key in PEM form that could be used.`)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

interface LiveTlsOptions {
  readonly source: TlsSource
  readonly clock: Clock
  /** Told what kept new material from being used; the old one stays in use. */
  readonly onProblem: (problem: unknown) => void
  /** Told after new material went into use. */
  readonly onReload?: (material: TlsMaterial) => void
  /** Where SIGHUP comes from: `process`. */
  readonly signals?: EventEmitter
}

/** The material in use. */
export interface LiveTls {
  /** To create a server with. */
  options(): SecureContextOptions
  /** From now on this server gets what is new. */
  attach(server: Server): void
  current(): TlsMaterial
  /** Loads again at once, changed or not. Never throws: problems go to `onProblem`. */
  reload(): Promise<void>
  /** Stops looking. */
  close(): void
}

/** Loads the material and keeps it fresh until closed. Throws TlsMaterialProblem when there is none to start with. */
export async function openLiveTls(options: LiveTlsOptions): Promise<LiveTls> {
  const { source, clock, onProblem, onReload, signals } = options
  const first = await source.load(true)
  if (first === undefined) throw new Error('a source of TLS material answered nothing when forced')
  let material = first
  let ticketKeysSinceMs = clock.nowMs()
  let isClosed = false
  let cancelTimer = () => {}
  let working: Promise<void> = Promise.resolve()
  const servers = new Set<Server>()

  async function refresh(force: boolean): Promise<void> {
    if (isClosed) return
    try {
      const loaded = await source.load(force)
      const nowMs = clock.nowMs()
      // A new context comes with new ticket keys, so the same material is put in place again once a day.
      if (isClosed || (loaded === undefined && nowMs - ticketKeysSinceMs < TICKET_KEY_LIFETIME_MS)) return
      const next = loaded ?? material
      for (const server of servers) server.setSecureContext(tlsOptionsOf(next))
      ticketKeysSinceMs = nowMs
      material = next
      if (loaded !== undefined) onReload?.(loaded)
    } catch (error) {
      onProblem(error)
    }
  }

  /** One at a time, so that an older load never replaces a newer one. */
  function enqueue(force: boolean): Promise<void> {
    working = working.then(() => refresh(force))
    return working
  }

  function schedule(): void {
    cancelTimer = clock.after(source.checkIntervalMs, () => {
      void enqueue(false).then(() => {
        if (!isClosed) schedule()
      })
    })
  }

  const onSignal = () => void enqueue(true)
  signals?.on('SIGHUP', onSignal)
  schedule()
  return {
    options: () => tlsOptionsOf(material),
    attach(server) {
      servers.add(server)
      server.once('close', () => servers.delete(server))
    },
    current: () => material,
    reload: () => enqueue(true),
    close() {
      isClosed = true
      cancelTimer()
      signals?.off('SIGHUP', onSignal)
    },
  }
}
