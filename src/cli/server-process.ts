/**
 * Starting and stopping a server, for `dev` and `serve`: one process, or one that writes and several that answer. Also
 * writes `server.json`, which tells other commands the ports (nothing secret is in it).
 */
import cluster from 'node:cluster'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { acquireFolderLock } from '../adapters/storage/sqlite/folder-lock.ts'
import { type RunningServer, startServer } from '../app.ts'
import type { Settings } from '../config/settings.ts'
import { type DataFolder, openDataFolder } from '../data-folder.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import { startWorkers } from './workers.ts'

export type ServerPorts = Omit<RunningServer, 'stop'>

/** What `server.json` holds. */
export interface ServerFacts extends ServerPorts {
  readonly pid: number
  readonly domain: string
  readonly defaultVault: string
}

export const SERVER_FILE = 'server.json'
const STOP_DEADLINE_MS = 15_000

export function createLog(settings: Settings): Logger {
  return pino({ level: settings.logLevel, base: undefined }, pino.destination({ fd: 2, sync: true }))
}

/** Runs until it is told to stop; `prepare` runs on the open data before anything is answered. */
export async function runServer(
  settings: Settings,
  options: {
    readonly mayCreate: boolean
    prepare(data: DataFolder): Promise<void>
    /** Called once everything answers. */
    onReady(facts: ServerFacts, data: DataFolder): Promise<void>
  },
): Promise<number> {
  const log = createLog(settings)
  const isPersistent = settings.engine !== 'memory'
  if (isPersistent && options.mayCreate) mkdirSync(settings.dataFolder, { recursive: true, mode: 0o700 })
  const release = isPersistent ? acquireFolderLock(settings.dataFolder) : () => undefined
  const data = await openDataFolder({ settings, random: systemRandom, mayCreate: options.mayCreate })
  await options.prepare(data)
  const server =
    settings.workers > 1 && isPersistent
      ? await startWorkers({ settings, data, log })
      : await startServer({
          settings,
          data,
          clock: systemClock,
          random: systemRandom,
          log,
          stream: 'node-1',
          runsJobs: true,
        })
  const { stop, ...ports } = server
  const file = join(settings.dataFolder, SERVER_FILE)
  const facts: ServerFacts = {
    pid: process.pid,
    domain: settings.domain,
    defaultVault: settings.defaultVault,
    ...ports,
  }
  writeFileSync(file, `${JSON.stringify(facts)}\n`, { mode: 0o600 })
  // Listened to before anybody is told that the server is ready: whoever is may stop it at once.
  const stopped = untilStopped()
  await options.onReady(facts, data)
  const signal = await stopped
  log.info({ signal }, 'stopping: no new connections, running requests end')
  const deadline = setTimeout(() => {
    log.error('stopping took too long; ending now')
    process.exit(1)
  }, STOP_DEADLINE_MS)
  deadline.unref()
  await stop()
  await data.close()
  release()
  rmSync(file, { force: true })
  clearTimeout(deadline)
  cluster.disconnect()
  return 0
}

/** A second signal ends the process at once. */
async function untilStopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1))
        resolve(signal)
      })
    }
  })
}
