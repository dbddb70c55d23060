/**
 * Several answering processes on one data folder. This process holds the lock, writes for all of them and runs the jobs;
 * the workers read the data directly, hand their commits over, and share the listening sockets. A worker that dies is
 * followed by another one.
 */
import cluster, { type Worker } from 'node:cluster'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { openFileAuditSink } from '../adapters/audit-sinks/file/file-audit-sink.ts'
import { forwardCommits, serveCommits } from '../adapters/storage/sqlite/commit-forwarding.ts'
import { isOfType } from '../adapters/storage/sqlite/commit-line.ts'
import { type RunningServer, startServer } from '../app.ts'
import type { Settings } from '../config/settings.ts'
import { type DataFolder, openDataFolder } from '../data-folder.ts'
import { openAuditKey, sealedAnchors } from '../flows/audit-keys.ts'
import { closeListener, listen } from '../http/listener.ts'
import { startJobs } from '../jobs/job.ts'
import { purgeDueJob } from '../jobs/purge-due.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import { createLog } from './server-process.ts'

interface ReadyMessage {
  readonly type: 'keyhaven ready'
  readonly ports: Omit<RunningServer, 'stop'>
}

interface StopMessage {
  readonly type: 'keyhaven stop'
}

/** Why a worker could not start, for whoever started the server. */
interface FailedMessage {
  readonly type: 'keyhaven failed'
  readonly sentence: string
}

const WORKER_STREAM = 'KEYHAVEN_WORKER_STREAM'
const WORKER_SETTINGS = 'KEYHAVEN_WORKER_SETTINGS'
/** A worker that dies sooner than this after its start is not started again at once. */
const RESTART_DELAY_MS = 1_000

export async function startWorkers(parts: {
  readonly settings: Settings
  readonly data: DataFolder
  readonly log: Logger
}): Promise<RunningServer> {
  const { data, log } = parts
  const settings = await withFixedPorts(parts.settings)
  // Workers take connections from the socket themselves. Handed out by this process, one that is on its way to a worker
  // when that dies would never be answered.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)),
    args: [],
    serialization: 'advanced',
  })
  const key = await openAuditKey(data.installation, systemRandom)
  const sink = await openFileAuditSink({
    folder: `${settings.dataFolder}/audit`,
    stream: 'jobs',
    key: key.reveal(),
    clock: systemClock,
    anchors: sealedAnchors(data.installation),
    settings: { durability: settings.auditDurability === 'synced' ? 'synced' : 'written' },
    onProblem: (problem) => {
      log.error({ err: problem }, 'the audit log has a problem')
    },
  })
  let hasStarted = false
  let isStopping = false

  const fork = (number: number): Promise<ReadyMessage['ports']> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork({
        [WORKER_STREAM]: `worker-${number}`,
        [WORKER_SETTINGS]: JSON.stringify(settings),
      })
      serveCommits(worker, data.store)
      let isWorking = false
      worker.on('message', (message: unknown) => {
        if (isOfType<ReadyMessage>(message, 'keyhaven ready')) {
          isWorking = true
          resolve(message.ports)
        }
        if (isOfType<FailedMessage>(message, 'keyhaven failed')) reject(new Error(message.sentence))
      })
      worker.on('exit', (code, signal) => {
        reject(new Error(`worker ${number} ended before it was ready (${signal ?? code})`))
        if (isStopping || !(isWorking || hasStarted)) return
        log.error({ worker: number, code, signal }, 'a worker ended; starting another one')
        systemClock.after(RESTART_DELAY_MS, () => {
          if (isStopping) return
          fork(number).catch((error: unknown) => {
            log.error({ err: error }, 'a worker could not be started')
          })
        })
      })
    })

  const stopWorkers = async () => {
    isStopping = true
    const workers = Object.values(cluster.workers ?? {}).filter((worker): worker is Worker => worker !== undefined)
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve) => {
            if (worker.isDead()) resolve()
            worker.once('exit', () => {
              resolve()
            })
            // One that can't be reached is ending already.
            worker.send({ type: 'keyhaven stop' } satisfies StopMessage, () => undefined)
          }),
      ),
    )
  }

  const ports: ReadyMessage['ports'][] = []
  try {
    for (let number = 1; number <= settings.workers; number++) ports.push(await fork(number))
  } catch (error) {
    await stopWorkers()
    await sink.close()
    throw error
  }
  hasStarted = true
  const [first] = ports
  if (first === undefined) throw new Error('a server needs a worker')

  const stopJobs = startJobs([purgeDueJob(settings.purgeIntervalSeconds * 1000)], {
    store: data.store,
    installation: data.installation,
    recordsOf: (vaultId) => data.recordsOf(vaultId),
    clock: systemClock,
    random: systemRandom,
    sink,
    onFailure: (error, job) => {
      log.error({ err: error, job }, 'a job failed; it runs again at its next time')
    },
  })
  return {
    ...first,
    async stop() {
      await stopWorkers()
      await stopJobs()
      await sink.close()
    },
  }
}

/** What a worker process runs. */
export async function runWorker(): Promise<void> {
  const settings = JSON.parse(process.env[WORKER_SETTINGS] ?? '{}') as Settings
  // Listened to from the beginning: a worker may be told to stop while it starts.
  const toldToStop = new Promise<void>((resolve) => {
    process.on('message', (message: unknown) => {
      if (isOfType<StopMessage>(message, 'keyhaven stop')) resolve()
    })
  })
  // Signals go to the whole group; the first process tells the workers when to stop.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)
  process.on('disconnect', () => process.exit(1))
  const { stop, ...ports } = await startAnswering(settings).catch(tellAndExit)
  process.send?.({ type: 'keyhaven ready', ports } satisfies ReadyMessage)
  await toldToStop
  try {
    await stop()
  } finally {
    process.exit(0)
  }
}

async function startAnswering(settings: Settings): Promise<RunningServer> {
  const data = await openDataFolder({
    settings,
    random: systemRandom,
    mayCreate: false,
    forward: forwardCommits(process),
  })
  const server = await startServer({
    settings,
    data,
    clock: systemClock,
    random: systemRandom,
    log: createLog(settings),
    stream: process.env[WORKER_STREAM] ?? 'worker',
    runsJobs: false,
  })
  return {
    ...server,
    async stop() {
      await server.stop()
      await data.close()
    },
  }
}

async function tellAndExit(error: unknown): Promise<never> {
  const message: FailedMessage = {
    type: 'keyhaven failed',
    sentence: error instanceof Error ? error.message : String(error),
  }
  await new Promise((resolve) => process.send?.(message, resolve))
  process.exit(1)
}

/**
 * Workers find the socket they share by its port, and 0 would be another one after all of them ended. So where the system
 * is to choose, it chooses here, once.
 */
async function withFixedPorts(settings: Settings): Promise<Settings> {
  const { address, port, proxyPort, managedIdentityPort, metricsPort } = settings
  const loopback = '127.0.0.1'
  return {
    ...settings,
    port: await fixed(port, address === 'loopback' ? loopback : address),
    proxyPort: await fixed(proxyPort, loopback),
    managedIdentityPort: await fixed(managedIdentityPort, loopback),
    metricsPort: await fixed(metricsPort, loopback),
  }
}

async function fixed(port: number, address: string): Promise<number> {
  if (port !== 0) return port
  const server = createServer()
  const chosen = await listen(server, 0, address)
  await closeListener(server)
  return chosen
}
