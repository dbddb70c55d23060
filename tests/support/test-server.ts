/**
 * A whole server for tests: real HTTPS on a port the system chose, the memory store unless said otherwise, and a clock
 * that the test moves. One per test file; vaults are cheap, so each test makes its own.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { type RunningServer, startServer } from '../../src/app.ts'
import { loadSettings, type Settings } from '../../src/config/settings.ts'
import { type DataFolder, openDataFolder } from '../../src/data-folder.ts'
import type { Vault } from '../../src/domain/vaults/vault.ts'
import { vaultScope } from '../../src/domain/vaults/vault.ts'
import { ensureDevelopment } from '../../src/flows/development-start.ts'
import { createTenant } from '../../src/flows/identity-administration.ts'
import { createApplication } from '../../src/flows/identity-applications.ts'
import { assignRole } from '../../src/flows/manage-role-assignments.ts'
import { createVault, type NewVault } from '../../src/flows/manage-vaults.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'

export interface TestAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The body as sent. */
  readonly text: string
  /** The body parsed; undefined where there was none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers member by member.
  readonly json: any
}

export interface TestRequest {
  readonly method?: string
  /** Host header without port: `dev.vault.localhost`. */
  readonly host?: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** A token, null for none; the administrator's unless said otherwise. */
  readonly token?: string | null
}

export interface TestApp {
  readonly objectId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly token: string
}

export interface TestServer {
  readonly port: number
  readonly clock: FakeClock
  readonly data: DataFolder
  readonly folder: string
  readonly tenantId: string
  readonly subscriptionId: string
  /** Everything the server logged. */
  readonly logged: () => string
  send(request: TestRequest): Promise<TestAnswer>
  /** A request to a vault, by its name, with api-version 2026-04-01 unless the path has one. */
  vault(
    name: string,
  ): (method: string, path: string, body?: unknown, more?: Partial<TestRequest>) => Promise<TestAnswer>
  /** Makes a vault of a fresh name. */
  newVault(options?: Partial<NewVault>): Promise<Vault>
  /** Moves the clock and waits for the purge job where that made it due, so its effects can be looked at. */
  advance(milliseconds: number): Promise<void>
  /** Makes another tenant. */
  newTenant(): Promise<string>
  /** An app without any rights, and a token of it; of the first tenant unless said otherwise. */
  newApp(wanted?: { readonly tenantId?: string }): Promise<TestApp>
  /** Gives a role at the vault, or at an object in it. */
  assign(vault: Vault, principalId: string, role: string, below?: string): Promise<void>
  tokenFor(clientId: string, clientSecret: string, resource?: string, tenantId?: string): Promise<string>
  /** The audit records so far. */
  auditLines(): readonly AuditLine[]
  stop(): Promise<void>
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into records member by member.
type AuditLine = any

const MAX_JOB_TURNS = 1_000_000

export async function startTestServer(
  overrides: Partial<Settings> = {},
  options: { readonly wrapStore?: (data: DataFolder) => DataFolder } = {},
): Promise<TestServer> {
  const folder = overrides.dataFolder ?? mkdtempSync(join(tmpdir(), 'keyhaven-test-'))
  const settings: Settings = {
    ...loadSettings('development', {}, {}),
    engine: 'memory',
    port: 0,
    proxyPort: -1,
    managedIdentityPort: -1,
    ...overrides,
    dataFolder: folder,
  }
  const clock = createFakeClock()
  let log = ''
  const opened = await openDataFolder({ settings, random: systemRandom, mayCreate: true })
  const data = options.wrapStore?.(opened) ?? opened
  const parts = { installation: data.installation, keyrings: data.keyrings, clock, random: systemRandom }
  const identity = { records: data.installation, clock, random: systemRandom }
  const { facts, secrets } = await ensureDevelopment(parts, 'dev')
  const running: RunningServer = await startServer({
    settings,
    data,
    clock,
    random: systemRandom,
    log: pino({ level: 'debug' }, { write: (line: string) => (log += line) }),
    stream: 'test',
    runsJobs: true,
  })
  const port = running.httpsPort
  // The certificate is of the moved clock's time, which this client does not know; TLS itself is tested on its own.
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: 50 })
  let vaults = 0

  const send = async ({ method = 'GET', host = 'localhost', path, body, headers = {}, token }: TestRequest) => {
    const bearer = token === undefined ? await adminToken() : token
    return new Promise<TestAnswer>((resolve, reject) => {
      const payload =
        body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
      const outgoing = httpsRequest(
        {
          agent,
          host: '127.0.0.1',
          port,
          method,
          path,
          servername: host === 'localhost' ? 'localhost' : host,
          headers: {
            host: `${host}:${port}`,
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
            ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) })
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(payload)
    })
  }

  async function tokenFor(
    clientId: string,
    clientSecret: string,
    resource = 'https://vault.azure.net',
    tenantId = facts.tenantId,
  ) {
    const answer = await send({
      method: 'POST',
      host: 'login.localhost',
      path: `/${tenantId}/oauth2/v2.0/token`,
      token: null,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        scope: `${resource}/.default`,
      }).toString(),
    })
    if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`)
    return answer.json.access_token as string
  }
  // Tests move the clock past a token's end; the administrator is then somebody who logs in again.
  let admin = { token: '', untilMs: 0 }
  async function adminToken(): Promise<string> {
    if (clock.nowMs() >= admin.untilMs) {
      const untilMs = clock.nowMs() + (settings.tokenLifetimeSeconds - 60) * 1000
      admin = { token: await tokenFor(facts.clientId, secrets.clientSecret), untilMs }
    }
    return admin.token
  }
  const purgeIntervalMs = settings.purgeIntervalSeconds * 1000

  return {
    port,
    clock,
    data,
    folder,
    tenantId: facts.tenantId,
    subscriptionId: facts.subscriptionId,
    logged: () => log,
    send,
    vault: (name) => (method, path, body, more) =>
      send({
        method,
        host: `${name.toLowerCase()}.vault.localhost`,
        path: path.includes('?') ? path : `${path}?api-version=2026-04-01`,
        body,
        ...more,
      }),
    newVault: (wanted) =>
      createVault(parts, {
        name: `vault-${++vaults}`,
        subscriptionId: facts.subscriptionId,
        tenantId: facts.tenantId,
        ...wanted,
      }),
    async advance(milliseconds) {
      clock.advance(milliseconds)
      // The job sets its next timer when it has run.
      for (let turns = 0; !clock.isAwaited(purgeIntervalMs); turns++) {
        if (turns === MAX_JOB_TURNS) throw new Error('the purge job does not come to its end')
        await nextTurn()
      }
    },
    async newTenant() {
      return (await createTenant(identity, { displayName: 'Another' })).tenantId
    },
    async newApp({ tenantId = facts.tenantId } = {}) {
      const app = await createApplication(identity, { displayName: 'test app', tenantId })
      const clientSecret = app.clientSecret ?? ''
      const token = await tokenFor(app.clientId, clientSecret, undefined, tenantId)
      return { objectId: app.objectId, clientId: app.clientId, clientSecret, token }
    },
    async assign(vault, principalId, role, below = '') {
      await assignRole(parts, { scope: `${vaultScope(vault)}${below}`, principalId, role })
    },
    tokenFor,
    auditLines: () => readAudit(folder),
    async stop() {
      agent.destroy()
      await running.stop()
      await data.close()
      if (overrides.dataFolder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

function readAudit(folder: string): readonly AuditLine[] {
  const { readdirSync } = process.getBuiltinModule('node:fs')
  const audit = join(folder, 'audit')
  const files = readdirSync(audit, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl'))
  return files.sort().flatMap((name) =>
    readFileSync(join(audit, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): AuditLine => JSON.parse(line)),
  )
}

function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    // Not every answer is JSON; a test that expects it sees undefined.
    return undefined
  }
}
