/**
 * Work that happens without a request. A job is declared like an operation: it has a name for the audit log and says how
 * often it runs. With several processes or nodes, the one that holds the job's lease runs it.
 */
import type { AuditRecord } from '../domain/audit/audit-record.ts'
import { formatAuditTime } from '../domain/audit/audit-time.ts'
import type { AuditSink } from '../ports/audit-sink.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Store, StoreConflict } from '../ports/store.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'

export interface JobContext {
  readonly store: Store
  readonly installation: SealedRecords
  recordsOf(vaultId: string): SealedRecords
  readonly clock: Clock
  /** Writes the record of one thing the job did, before it counts as done. */
  audit(what: JobAudit): Promise<void>
}

export interface JobAudit {
  readonly operationName: string
  readonly resourceId: string
  readonly id: string
}

export interface Job {
  readonly name: string
  readonly intervalMs: number
  /** Does what is due now. May be interrupted anywhere and repeated. */
  run(context: JobContext): Promise<void>
}

interface Lease {
  readonly holder: string
  readonly untilMs: number
}

export interface JobRunnerParts extends Omit<JobContext, 'audit'> {
  readonly sink: AuditSink
  readonly random: Random
  onFailure(error: unknown, jobName: string): void
}

/** Starts the jobs; answers the way to stop them, which waits for a running one. */
export function startJobs(jobs: readonly Job[], parts: JobRunnerParts): () => Promise<void> {
  const holder = parts.random.uuid()
  const stops = jobs.map((job) => repeat(job, parts, holder))
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

function repeat(job: Job, parts: JobRunnerParts, holder: string): () => Promise<void> {
  let isStopped = false
  let cancel: () => void = () => undefined
  let running: Promise<unknown> = Promise.resolve()
  const schedule = () => {
    cancel = parts.clock.after(job.intervalMs, () => {
      running = runOnce(job, parts, holder)
        .catch((error: unknown) => {
          parts.onFailure(error, job.name)
        })
        .finally(() => {
          if (!isStopped) schedule()
        })
    })
  }
  schedule()
  return async () => {
    isStopped = true
    cancel()
    await running
  }
}

/** Runs the job now if its lease can be had. */
export async function runOnce(job: Job, parts: JobRunnerParts, holder: string): Promise<boolean> {
  if (!(await takeLease(job, parts, holder))) return false
  await job.run({
    store: parts.store,
    installation: parts.installation,
    recordsOf: (vaultId) => parts.recordsOf(vaultId),
    clock: parts.clock,
    audit: (what) => parts.sink.append(recordOf(job, what, parts)),
  })
  return true
}

/** A lease lasts three intervals, so a dead holder is followed soon and a living one renews in time. */
async function takeLease(job: Job, { installation, clock }: JobRunnerParts, holder: string): Promise<boolean> {
  const existing = await installation.read<Lease>('jobLeases', job.name)
  const nowMs = clock.nowMs()
  if (existing !== undefined && existing.meta.holder !== holder && existing.meta.untilMs > nowMs) return false
  const lease: Lease = { holder, untilMs: nowMs + job.intervalMs * 3 }
  try {
    await installation.commit([
      { collection: 'jobLeases', key: job.name, expect: existing?.revision ?? 'absent', meta: lease },
    ])
    return true
  } catch (error) {
    if (error instanceof StoreConflict) return false
    throw error
  }
}

function recordOf(job: Job, { operationName, resourceId, id }: JobAudit, parts: JobRunnerParts): AuditRecord {
  return {
    time: formatAuditTime(parts.clock.nowMs()),
    resourceId,
    operationName,
    operationVersion: '',
    category: 'AuditEvent',
    resultType: 'Success',
    resultSignature: 'OK',
    resultDescription: '',
    durationMs: '0',
    callerIpAddress: '',
    correlationId: '',
    identity: { claim: { appid: `keyhaven job ${job.name}` } },
    properties: { id, clientInfo: 'keyhaven', requestUri: '', httpStatusCode: 200, requestId: parts.random.uuid() },
  }
}
