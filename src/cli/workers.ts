/**
 * Several answering processes on one data folder. This process holds the lock, writes for all of them and runs the jobs;
 * the workers read the data directly, hand their commits over, and share the listening sockets. A worker that dies is
 * followed by another one.
 */
import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { openFileAuditSink } from '../adapters/audit-sinks/file/file-audit-sink.ts'
import { forwardCommits, serveCommits } from '../adapters/storage/sqlite/commit-forwarding.ts'
import { isOfType } from '../adapters/storage/sqlite/commit-line.ts'
import { type RunningServer, startServer } from '../app.ts'
import type { Settings } from '../config/settings.ts'
import { type DataFolder, openDataFolder } from '../data-folder.ts'
import { openAuditKey, sealedAnchors } from '../flows/audit-keys.ts'
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

const WORKER_STREAM = 'KEYHAVEN_WORKER_STREAM'
const WORKER_SETTINGS = 'KEYHAVEN_WORKER_SETTINGS'
/** A worker that dies sooner than this after its start is not started again at once. */
const RESTART_DELAY_MS = 1_000

export async function startWorkers(parts: {
  readonly settings: Settings
  readonly data: DataFolder
  readonly log: Logger
}): Promise<RunningServer> {
  const { settings, data, log } = parts
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)),
    args: [],
    serialization: 'advanced',
  })
  let isStopping = false
  let fixedPort = settings.port

  const fork = (number: number): Promise<ReadyMessage['ports']> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork({
        [WORKER_STREAM]: `worker-${number}`,
        [WORKER_SETTINGS]: JSON.stringify({ ...settings, port: fixedPort }),
      })
      serveCommits(worker, data.store)
      worker.on('message', (message: unknown) => {
        if (isReady(message)) resolve(message.ports)
      })
      worker.on('exit', (code, signal) => {
        reject(new Error(`worker ${number} ended before it was ready (${signal ?? code})`))
        if (isStopping) return
        log.error({ worker: number, code, signal }, 'a worker ended; starting another one')
        systemClock.after(RESTART_DELAY_MS, () => {
          if (isStopping) return
          fork(number).catch((error: unknown) => {
            log.error({ err: error }, 'a worker could not be started')
          })
        })
      })
    })

  // One after the other: the first one finds the port where the system was to choose it.
  const first = await fork(1)
  fixedPort = first.httpsPort
  for (let number = 2; number <= settings.workers; number++) await fork(number)

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
      isStopping = true
      const workers = Object.values(cluster.workers ?? {}).filter((worker): worker is Worker => worker !== undefined)
      await Promise.all(
        workers.map(
          (worker) =>
            new Promise<void>((resolve) => {
              worker.once('exit', () => {
                resolve()
              })
              worker.send({ type: 'keyhaven stop' } satisfies StopMessage)
            }),
        ),
      )
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
      if (isStop(message)) resolve()
    })
  })
  // Signals go to the whole group; the first process tells the workers when to stop.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)
  process.on('disconnect', () => process.exit(1))
  const log = createLog(settings)
  const data = await openDataFolder({
    settings,
    random: systemRandom,
    mayCreate: false,
    forward: forwardCommits(process),
  })
  const { stop, ...ports } = await startServer({
    settings,
    data,
    clock: systemClock,
    random: systemRandom,
    log,
    stream: process.env[WORKER_STREAM] ?? 'worker',
    runsJobs: false,
  })
  process.send?.({ type: 'keyhaven ready', ports } satisfies ReadyMessage)
  await toldToStop
  try {
    await stop()
    await data.close()
  } finally {
    process.exit(0)
  }
}

const isReady = (message: unknown): message is ReadyMessage => isOfType<ReadyMessage>(message, 'keyhaven ready')

const isStop = (message: unknown): message is StopMessage => isOfType<StopMessage>(message, 'keyhaven stop')
