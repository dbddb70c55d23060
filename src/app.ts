/**
 * The composition root: the only file that picks adapters and wires them to what needs them. `startServer` makes one
 * answering process; several of them on one data folder are started by cli/cluster.ts.
 */

import { readFile } from 'node:fs/promises'
import type { Server as HttpsServer } from 'node:https'
import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { openFileAuditSink } from './adapters/audit-sinks/file/file-audit-sink.ts'
import { createJwtVerifier } from './adapters/token-verifiers/jwt/jwt-verifier.ts'
import { openOutsideIssuers } from './adapters/token-verifiers/jwt/outside-issuers.ts'
import { parseOutsideIssuers } from './adapters/token-verifiers/jwt/parse-outside-issuers.ts'
import { writeTrustFiles } from './cli/trust-files.ts'
import type { Settings } from './config/settings.ts'
import type { DataFolder } from './data-folder.ts'
import { openAuditKey, sealedAnchors } from './flows/audit-keys.ts'
import { findDefaultTenant } from './flows/identity-directory.ts'
import { ensureLocalCertificates, serverNamesOf } from './flows/local-certificates.ts'
import { TokenAuthority } from './flows/token-authority.ts'
import { type ConnectProxy, createConnectProxy, ownNamesOf } from './http/connect-proxy.ts'
import { createDirectory } from './http/directory.ts'
import { hostNames } from './http/host-names.ts'
import { closeListener, createPlainListener, createTlsListener, listen } from './http/listener.ts'
import { createMetrics } from './http/metrics.ts'
import { createPipeline, type Pipeline } from './http/pipeline.ts'
import { createRouter } from './http/router.ts'
import { createThrottle } from './http/steps/throttle.ts'
import { prepareValidation } from './http/steps/validate.ts'
import { fileTlsSource, type LiveTls, localTlsSource, openLiveTls } from './http/tls-material.ts'
import { startJobs } from './jobs/job.ts'
import { purgeDueJob } from './jobs/purge-due.ts'
import { operations } from './operations/index.ts'
import type { AuditSink } from './ports/audit-sink.ts'
import type { Clock } from './ports/clock.ts'
import type { Random } from './ports/random.ts'

export interface ServerParts {
  readonly settings: Settings
  readonly data: DataFolder
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Name of this process's audit stream. */
  readonly stream: string
  /** One process of an installation runs the jobs. */
  readonly runsJobs: boolean
}

export interface RunningServer {
  readonly httpsPort: number
  /** undefined where it is switched off. */
  readonly proxyPort: number | undefined
  readonly managedIdentityPort: number | undefined
  readonly metricsPort: number | undefined
  readonly caFile: string | undefined
  readonly caBundleFile: string | undefined
  /** Lets running requests end, then releases everything but the data folder. */
  stop(): Promise<void>
}

const LOOPBACK = ['127.0.0.1', '::1']

export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { settings, data, clock, random, log } = parts
  const audit = await openAudit(parts)
  const { tls, caFile, caBundleFile } = await openTls(parts)
  prepareValidation(operations)

  // The port is part of names in headers and tokens, so the socket comes first and the pipeline after it.
  let pipeline: Pipeline | undefined
  const onRefusal = async (status: number, address: string) => pipeline?.recordRefusal(status, address)
  const servers: HttpsServer[] = []
  const addresses = settings.address === 'loopback' ? LOOPBACK : [settings.address]
  let httpsPort = settings.port
  for (const address of addresses) {
    const server = createTlsListener(
      tls.options(),
      async (request, response) => pipeline?.handle(request, response),
      onRefusal,
    )
    try {
      httpsPort = await listen(server, httpsPort, address)
    } catch (error) {
      // A machine without IPv6 still has its IPv4 loopback.
      if (address === '::1' && servers.length > 0) continue
      throw portProblem(error, 'port', httpsPort)
    }
    tls.attach(server)
    servers.push(server)
  }
  const hosts = hostNames({
    domain: settings.domain,
    defaultVault: settings.defaultVault === '' ? undefined : settings.defaultVault,
    port: httpsPort,
  })

  const outsideSettings =
    settings.trustedIssuers === '' ? [] : parseOutsideIssuers(await readFile(settings.trustedIssuers, 'utf8'))
  const issuers = await openOutsideIssuers({
    clock,
    settings: outsideSettings,
    onFailure: (issuer, error) => {
      log.warn({ issuer, err: error }, 'reading the keys of a trusted issuer failed')
    },
  })
  const { store, installation } = data
  const changeToken = store.changeToken === undefined ? undefined : () => store.changeToken?.() ?? 0
  const authority = new TokenAuthority({
    installation,
    clock,
    random,
    settings: { authorityUrl: hosts.loginUrl, tokenLifetimeSeconds: settings.tokenLifetimeSeconds },
    issuerKeysFor: (issuer) => issuers.keysOf(issuer),
    changeToken,
  })
  const verifier = createJwtVerifier({
    builtIn: { authorityUrl: hosts.loginUrl, keys: authority.keys },
    outside: outsideSettings.map((outside) => ({ ...outside, keys: issuers.keysOf(outside.issuer) })),
  })
  const metrics = createMetrics()
  pipeline = createPipeline({
    router: createRouter(operations),
    hosts,
    directory: createDirectory(store, installation),
    verifier,
    audit,
    throttle: createThrottle(settings.throttleScale),
    metrics,
    clock,
    random,
    installation,
    recordsOf: (vaultId) => data.recordsOf(vaultId),
    backups: data.backups,
    authority,
    defaultTenantId: async () => (await findDefaultTenant(installation))?.tenantId ?? NO_TENANT,
    softDeleteLatencySeconds: settings.softDeleteLatencySeconds,
    challengesWithAdfs: settings.challengeTenant === 'adfs',
    onFailure: (error, requestId) => {
      log.error({ err: error, requestId }, 'a request failed unexpectedly')
    },
  })

  const proxy = settings.proxyPort < 0 ? undefined : openProxy(settings, () => httpsPort, servers)
  const proxyPort = await proxy?.listen({ port: settings.proxyPort }).catch((error: unknown) => {
    throw portProblem(error, 'proxy-port', settings.proxyPort)
  })
  const plain = [
    await openPlain(
      settings.managedIdentityPort,
      'managed-identity-port',
      (request, response) => pipeline.handleManagedIdentity(request, response),
      onRefusal,
    ),
    await openPlain(
      settings.metricsPort,
      'metrics-port',
      async (_request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' }).end(await metrics.text())
      },
      onRefusal,
    ),
  ]
  const stopJobs = parts.runsJobs
    ? startJobs([purgeDueJob(settings.purgeIntervalSeconds * 1000)], {
        store,
        installation,
        recordsOf: (vaultId) => data.recordsOf(vaultId),
        clock,
        random,
        sink: audit,
        onFailure: (error, job) => {
          log.error({ err: error, job }, 'a job failed; it runs again at its next time')
        },
      })
    : async () => undefined

  return {
    httpsPort,
    proxyPort,
    managedIdentityPort: plain[0]?.port,
    metricsPort: plain[1]?.port,
    caFile,
    caBundleFile,
    async stop() {
      proxy?.close()
      tls.close()
      await Promise.all([...servers.map(closeListener), ...plain.map((opened) => opened?.close())])
      await stopJobs()
      await audit.close()
    },
  }
}

/** The tenant named in challenges before there is any; no token is of it. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000'

async function openAudit({ settings, data, clock, random, log, stream }: ServerParts): Promise<AuditSink> {
  const key = await openAuditKey(data.installation, random)
  return openFileAuditSink({
    folder: join(settings.dataFolder, 'audit'),
    stream,
    key: key.reveal(),
    clock,
    anchors: sealedAnchors(data.installation),
    settings: { durability: settings.auditDurability === 'synced' ? 'synced' : 'written' },
    onProblem: (problem) => {
      log.error({ err: problem }, 'the audit log has a problem')
    },
  })
}

interface OpenedTls {
  readonly tls: LiveTls
  readonly caFile: string | undefined
  readonly caBundleFile: string | undefined
}

async function openTls({ settings, data, clock, random, log }: ServerParts): Promise<OpenedTls> {
  const onProblem = (problem: unknown) => {
    log.error({ err: problem }, 'new TLS material was not put into use; the old one stays')
  }
  if (settings.tlsCertificate !== '') {
    const files = { certFile: settings.tlsCertificate, keyFile: settings.tlsKey }
    const tls = await openLiveTls({ source: fileTlsSource(files, clock), clock, onProblem, signals: process })
    return { tls, caFile: undefined, caBundleFile: undefined }
  }
  const ensure = () => ensureLocalCertificates({ records: data.installation, clock, random, domain: settings.domain })
  const { caFile, caBundleFile } = await writeTrustFiles(
    resolve(settings.dataFolder),
    (await ensure()).caCertificatePem,
  )
  const tls = await openLiveTls({ source: localTlsSource(ensure), clock, onProblem, signals: process })
  return { tls, caFile, caBundleFile }
}

function openProxy(settings: Settings, httpsPort: () => number, servers: readonly HttpsServer[]): ConnectProxy {
  return createConnectProxy({
    ownsHost: ownNamesOf(serverNamesOf(settings.domain), settings.domain, httpsPort),
    terminate: (socket) => servers[0]?.emit('connection', socket),
    allowOthers: settings.proxyAllow.includes('*') ? true : settings.proxyAllow,
  })
}

async function openPlain(
  port: number,
  flag: string,
  handler: Parameters<typeof createPlainListener>[0],
  onRefusal: Parameters<typeof createPlainListener>[1],
) {
  if (port < 0) return undefined
  const server = createPlainListener(handler, onRefusal)
  try {
    return { port: await listen(server, port, '127.0.0.1'), close: () => closeListener(server) }
  } catch (error) {
    throw portProblem(error, flag, port)
  }
}

function portProblem(error: unknown, flag: string, port: number): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const why =
    code === 'EADDRINUSE'
      ? 'is taken by another program'
      : code === 'EACCES'
        ? 'may not be used by this user'
        : 'cannot be listened on'
  return new Error(`port ${port} ${why}; choose another one with --${flag}`, { cause: error })
}
