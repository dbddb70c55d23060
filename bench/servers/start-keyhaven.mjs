// Starts Keyhaven the way a user does, by its command, and talks to it over HTTPS only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { requestOnce } from '../load/connection.mjs'

const projectFolder = fileURLToPath(new URL('../..', import.meta.url))
const command = fileURLToPath(new URL('../../bin/keyhaven.mjs', import.meta.url))
const built = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

const START_LIMIT_MS = 120_000
const STOP_LIMIT_MS = 20_000

/** None of them outlives the run, however it ends. */
const running = new Set()
process.prependListener('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export const API_VERSION_QUERY = '?api-version=7.4'

export function isBuilt() {
  return existsSync(built)
}

/** `build` needs `npm run build` first; without it the comparison would silently be one of the sources. */
export function environmentOf(origin) {
  if (origin === 'build' && !isBuilt()) throw new Error('there is no build, run "npm run build" first')
  return { ...process.env, KEYHAVEN_RUN: origin === 'build' ? 'dist' : 'src' }
}

/**
 * Starts a server on this data folder and resolves once it says that it is ready. `nodeFlags` go before the command.
 * The answer's `stop` ends it the orderly way, `kill` as a power cut would as far as the process can tell.
 */
export async function startKeyhaven({ dataFolder, origin, nodeFlags = [], extraArguments = [] }) {
  const startedMs = performance.now()
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags,
      command,
      'dev',
      '--json',
      '--data',
      dataFolder,
      '--port',
      '0',
      '--proxy-port',
      '0',
      '--managed-identity-port',
      '0',
      ...extraArguments,
    ],
    { cwd: projectFolder, env: environmentOf(origin), stdio: ['ignore', 'pipe', 'pipe'] },
  )
  running.add(child)
  child.once('exit', () => running.delete(child))
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints = (complaints + text).slice(-4000)
  })
  const line = await readyLine(child, () => complaints)
  const readyMs = performance.now() - startedMs
  const exited = once(child, 'exit')
  const end = async (signal) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const lastResort = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    child.kill(signal)
    await exited
    clearTimeout(lastResort)
  }
  const vault = line.vaults[0]
  const serverName = new URL(vault.url).hostname
  const server = {
    pid: child.pid,
    port: line.httpsPort,
    serverName,
    ca: readFileSync(line.caFile, 'utf8'),
    vaultName: vault.name,
    host: new URL(vault.url).host,
    startedMs,
    readyMs,
    details: line,
    complaints: () => complaints,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
  return server
}

async function readyLine(child, complaints) {
  const lines = createInterface({ input: child.stdout })
  const { promise, resolve, reject } = Promise.withResolvers()
  const deadline = setTimeout(() => reject(new Error('Keyhaven was not ready in time')), START_LIMIT_MS)
  child.once('error', reject)
  const endedEarly = (code) => reject(new Error(`Keyhaven ended with ${code} before it was ready: ${complaints()}`))
  child.once('exit', endedEarly)
  lines.on('line', (text) => {
    if (text.startsWith('{"ready":true')) resolve(JSON.parse(text))
  })
  try {
    return await promise
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(deadline)
    child.off('exit', endedEarly)
  }
}

/** Headers of an authorized request: a token of the client that `dev` made, got the way every client gets one. */
export async function authorizedHeaders(server) {
  const { tenantId, clientId, clientSecret, loginUrl } = server.details
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: 'https://vault.azure.net/.default',
  })
  const answer = await requestOnce({
    ...server,
    serverName: new URL(loginUrl).hostname,
    method: 'POST',
    path: `/${tenantId}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  })
  if (answer.status !== 200) throw new Error(`no token was issued: ${answer.status} ${answer.body}`)
  return { authorization: `Bearer ${JSON.parse(answer.body).access_token}` }
}
