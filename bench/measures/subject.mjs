// The server under test with a data folder of its own, and what every measure does with it before it measures: get a
// token, make secrets, be sure that authorization and audit are on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requestOnce } from '../load/connection.mjs'
import { runLoad } from '../load/run-load.mjs'
import { secretName, secretValue } from '../names.mjs'
import { API_VERSION_QUERY, authorizedHeaders, environmentOf, startKeyhaven } from '../servers/start-keyhaven.mjs'

const command = fileURLToPath(new URL('../../bin/keyhaven.mjs', import.meta.url))

/** On the project's disk and not in the system's temporary folder, which is in memory on many machines. */
export const workFolder = fileURLToPath(new URL('../.work', import.meta.url))

export const CLIENTS = 32
const SEED_LIMIT_SECONDS = 1800

/** A server that was just killed may still be writing its last file. */
const REMOVE = { recursive: true, force: true, maxRetries: 5 }

const madeFolders = new Set()
process.once('exit', () => {
  for (const folder of madeFolders) rmSync(folder, REMOVE)
})

/** A folder below bench/.work, removed by `removeFolder` or at the end of the process. */
export function makeFolder(purpose) {
  mkdirSync(workFolder, { recursive: true })
  const folder = mkdtempSync(join(workFolder, `${purpose}-`))
  madeFolders.add(folder)
  return folder
}

export function removeFolder(folder) {
  rmSync(folder, REMOVE)
  madeFolders.delete(folder)
}

/** A started server with an authorized client; `target` and `access` go into jobs and plans as they are. */
export async function startSubject(options) {
  const server = await startKeyhaven(options)
  try {
    const headers = await authorizedHeaders(server)
    return {
      server,
      target: { port: server.port, serverName: server.serverName, ca: server.ca, serverPid: server.pid },
      access: { host: server.host, headers, query: API_VERSION_QUERY },
    }
  } catch (error) {
    await server.stop()
    throw new Error(`the started server cannot be used: ${server.complaints()}`, { cause: error })
  }
}

/** Makes `count` secrets through the public API. */
export async function seedByRequests({ target, access }, { series, count }) {
  const report = await runLoad({
    ...target,
    connections: Math.min(CLIENTS, count),
    plan: { kind: 'putNew', ...access, series, count },
    warmUpSeconds: 0,
    seconds: SEED_LIMIT_SECONDS,
  })
  if (report.acceptedInAll !== count) {
    throw new Error(
      `only ${report.acceptedInAll} of ${count} secrets were made: ${JSON.stringify(report.refused)} ${report.refusedSample ?? ''}`,
    )
  }
  return report
}

/**
 * Makes secrets in a stopped server's data folder by `keyhaven bench-seed`, which seals and stores them as requests
 * would and leaves out the network. Answers the seconds it took.
 */
export async function seedByCommand({ dataFolder, origin, vaultName, series, count }) {
  const startedMs = performance.now()
  const child = spawn(process.execPath, [command, 'bench-seed', '--data', dataFolder, '--vault', vaultName], {
    env: environmentOf(origin),
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  let isBroken = false
  child.stdin.once('error', () => {
    // The command ended early; its exit code below says so and its own words are on standard error.
    isBroken = true
  })
  for (let number = 0; number < count && !isBroken; number += 1) {
    const name = secretName(series, number)
    if (!child.stdin.write(`${name} ${secretValue(name)}\n`)) {
      await Promise.race([once(child.stdin, 'drain'), exited])
    }
  }
  child.stdin.end()
  const [code] = await exited
  if (code !== 0) throw new Error(`keyhaven bench-seed ended with ${code}`)
  return (performance.now() - startedMs) / 1000
}

/** A figure for a server that lets anybody in, or that keeps no record of it, would be worthless: refuses both. */
export async function requireAccessControl({ server, access }, path) {
  const audited = () => auditBytes(server.details.dataFolder)
  const before = audited()
  const request = { ...server, method: 'GET', path: `${path}${access.query}` }
  const open = await requestOnce(request)
  if (open.status !== 401) throw new Error(`a request without a token was answered with ${open.status}`)
  const closed = await requestOnce({ ...request, headers: access.headers })
  if (closed.status !== 200) throw new Error(`an authorized request was answered with ${closed.status} ${closed.body}`)
  if (audited() === before) throw new Error('two requests left no audit record')
  return closed
}

/** Bytes of all audit files below the data folder. */
export function auditBytes(dataFolder) {
  return readdirSync(dataFolder, { recursive: true })
    .filter((name) => /audit/i.test(name))
    .map((name) => statSync(join(dataFolder, name)))
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + entry.size, 0)
}

export function describeLoad(report) {
  const refused = Object.entries(report.refused).map(([status, count]) => `${count} x ${status}`)
  return [
    `${report.perSecond.toFixed(0)}/s`,
    `${report.cpuMicroseconds.toFixed(1)} us CPU`,
    `server ${report.serverCores.toFixed(2)} cores`,
    `generator ${report.generatorCores.toFixed(2)}`,
    `foreign ${report.foreignCores.toFixed(2)}`,
    `p50 ${report.latencyMs?.p50.toFixed(2)} ms p99 ${report.latencyMs?.p99.toFixed(2)} ms`,
    ...(refused.length === 0 ? [] : [`REFUSED ${refused.join(', ')} ${report.refusedSample}`]),
  ].join(', ')
}
