/** A Keyhaven server of our own for one run: started, given vaults, asked for a token, stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { VaultNeeds } from './plan.ts'
import { type Json, member, text } from './recordings.ts'
import { httpsTransport, parseBody, type Transport } from './wire.ts'

const START_TIMEOUT_MS = 60_000
const COMMAND_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
const SECRET_PERMISSIONS = 'get,list,set,delete,recover,backup,restore,purge'
const LOGIN_HOST = 'login.microsoftonline.com'

export interface Keyhaven {
  readonly transport: Transport
  readonly tenantId: string
  /** A bearer token for the vaults' data plane. */
  token(): Promise<string>
  /** Makes a fresh vault that the token's caller may do everything with secrets in; answers its real host name. */
  createVault(name: string, needs: VaultNeeds): Promise<string>
  stop(): Promise<void>
}

/** Where a server that runs already answers, and the line it printed when it started. */
export interface RunningServer {
  readonly baseUrl: string
  readonly readyFile: string
}

/**
 * Starts a fresh server with `keyhaven dev`, its data in a new temporary folder that goes with it. With a latency, its
 * deletions and recoveries stay unfinished for so long, as the service's do.
 */
export async function startKeyhaven(projectRoot: string, options: { latencySeconds: number }): Promise<Keyhaven> {
  const command = path.join(projectRoot, 'bin', 'keyhaven.mjs')
  const scratch = mkdtempSync(path.join(tmpdir(), 'keyhaven-replay-'))
  const folder = path.join(scratch, 'data')
  const ports = ['--port', '0', '--proxy-port', '0', '--managed-identity-port', '0']
  const latency = ['--soft-delete-latency-seconds', `${options.latencySeconds}`]
  const child = spawn(process.execPath, [command, 'dev', '--json', '--data', folder, ...ports, ...latency], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: scratch,
    env: environment(),
  })
  const stop = async () => {
    await stopChild(child)
    rmSync(scratch, { recursive: true, force: true })
  }
  try {
    const ready = await readyLine(child)
    return keyhavenAt(ready, { address: '127.0.0.1', port: portOf(ready) }, command, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

/** Uses a server that runs already; it is left running. */
export function useKeyhaven(projectRoot: string, running: RunningServer): Keyhaven {
  const ready = parseBody(readFileSync(running.readyFile, 'utf8').trim())
  const url = new URL(running.baseUrl)
  const command = path.join(projectRoot, 'bin', 'keyhaven.mjs')
  const at = { address: url.hostname, port: Number(url.port || '443') }
  return keyhavenAt(ready, at, command, () => Promise.resolve())
}

function keyhavenAt(
  ready: Json,
  at: { address: string; port: number },
  command: string,
  stopServer: () => Promise<void>,
): Keyhaven {
  const need = (name: string): string => {
    const value = text(member(ready, name))
    if (value === undefined) throw new Error(`the server's ready line has no ${name}`)
    return value
  }
  const transport = httpsTransport({ ...at, ca: readFileSync(need('caFile'), 'utf8') })
  const tenantId = need('tenantId')
  const dataFolder = need('dataFolder')
  return {
    transport,
    tenantId,
    async token() {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: need('clientId'),
        client_secret: need('clientSecret'),
        scope: 'https://vault.azure.net/.default',
      })
      const answer = await transport.send({
        method: 'POST',
        host: LOGIN_HOST,
        path: `/${tenantId}/oauth2/v2.0/token`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      })
      const token = text(member(answer.body, 'access_token'))
      if (token === undefined) throw new Error(`the login host answered ${answer.status} without a token`)
      return token
    },
    async createVault(name, needs) {
      const options = ['--soft-delete-retention-days', `${needs.retentionDays}`, '--rbac', `${needs.usesRbac}`]
      if (needs.hasPurgeProtection) options.push('--enable-purge-protection')
      await run([command, 'vault', 'create', '--data', dataFolder, '--name', name, ...options, '--json'])
      if (needs.usesRbac) return `${name}.vault.azure.net`
      const granted = ['--object-id', need('principalId'), '--secret-permissions', SECRET_PERMISSIONS]
      await run([command, 'vault', 'set-policy', '--data', dataFolder, '--name', name, ...granted, '--json'])
      return `${name}.vault.azure.net`
    },
    async stop() {
      transport.close()
      await stopServer()
    },
  }
}

/** Ours without settings for a server, so that every run has the same ones. */
function environment(): NodeJS.ProcessEnv {
  const kept = new Set(['KEYHAVEN_RUN', 'KEYHAVEN_NODE'])
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHAVEN_') || kept.has(name))
  return Object.fromEntries(entries)
}

function portOf(ready: Json): number {
  const port = member(ready, 'httpsPort')
  if (typeof port !== 'number') throw new Error("the server's ready line has no httpsPort")
  return port
}

/** The line of JSON a server prints once it answers. Rejects when it ends or stays silent before that. */
function readyLine(child: ChildProcess): Promise<Json> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    const timer = setTimeout(
      () => reject(new Error(`the server was not ready within ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    )
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-2000)
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`the server ended with ${code ?? 'a signal'} before it was ready: ${complaint.trim()}`))
    })
    if (!child.stdout) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = parseBody(line)
      if (member(parsed, 'ready') !== true) return
      clearTimeout(timer)
      resolve(parsed)
    })
  })
}

function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    child.on('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

function run(argumentList: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...argumentList], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
      env: environment(),
    })
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-2000)
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else
        reject(new Error(`${argumentList.slice(1, 3).join(' ')} ended with ${code ?? 'a signal'}: ${complaint.trim()}`))
    })
  })
}
