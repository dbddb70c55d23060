/**
 * Writing happens in a thread of its own, so that a slow fsync, a checkpoint or another process's transaction makes
 * commits wait and never reads or requests. The thread starts with the first commit, and anew after it died.
 */
import { Worker } from 'node:worker_threads'
import { type Change, StoreUnavailable } from '../../../ports/store.ts'
import { CommitLine, isOfType } from './commit-line.ts'

export interface Writer {
  commit(changes: readonly Change[]): Promise<void>
  /** Leaves nothing in the files but what is stored. Rejects with StoreUnavailable while that cannot be done. */
  scrub(): Promise<void>
  /** Writes what was asked for, then ends the thread. */
  close(): Promise<void>
}

/** What the thread is told beside commits. */
export interface ScrubMessage {
  readonly type: 'keyhaven scrub'
}
export interface CloseMessage {
  readonly type: 'keyhaven close'
}
/** How the thread answers a scrub. */
export interface ScrubbedMessage {
  readonly type: 'keyhaven scrubbed'
  /** Why it could not be done. */
  readonly problem?: string
}

interface WritingThread {
  readonly worker: Worker
  readonly line: CommitLine
  readonly scrubs: { resolve(): void; reject(error: Error): void }[]
}

const THREAD = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js'

/** The file must have been prepared. */
export function openWriter(file: string): Writer {
  let current: WritingThread | undefined
  let isClosed = false

  function startThread(): WritingThread {
    const worker = new Worker(new URL(THREAD, import.meta.url), { workerData: file, name: 'keyhaven-writer' })
    const thread: WritingThread = { worker, line: new CommitLine((message) => worker.postMessage(message)), scrubs: [] }
    let cause: unknown
    worker.on('message', (message) => {
      thread.line.receive(message)
      if (isOfType<ScrubbedMessage>(message, 'keyhaven scrubbed')) {
        const scrub = thread.scrubs.shift()
        if (message.problem === undefined) scrub?.resolve()
        else scrub?.reject(new StoreUnavailable(message.problem))
      }
      letProcessEndWhenIdle(thread)
    })
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => {
      if (current === thread) current = undefined
      const reason = new StoreUnavailable('the writing thread ended', { cause })
      thread.line.break(reason)
      for (const { reject } of thread.scrubs) reject(reason)
    })
    worker.unref()
    return thread
  }

  function thread(): WritingThread {
    if (isClosed) throw new StoreUnavailable('the store is closed')
    current ??= startThread()
    current.worker.ref()
    return current
  }

  /** A thread without work does not keep the process alive; one that owes answers does. */
  function letProcessEndWhenIdle({ worker, line, scrubs }: WritingThread): void {
    if (line.unansweredCount === 0 && scrubs.length === 0 && !isClosed) worker.unref()
  }

  return {
    async commit(changes) {
      return thread().line.commit(changes)
    },
    scrub() {
      return new Promise<void>((resolve, reject) => {
        const { worker, scrubs } = thread()
        scrubs.push({ resolve, reject })
        worker.postMessage({ type: 'keyhaven scrub' } satisfies ScrubMessage)
      })
    },
    async close() {
      if (isClosed) return
      isClosed = true
      if (current === undefined) return
      const { worker, line } = current
      worker.ref()
      const exit = new Promise((resolve) => worker.once('exit', resolve))
      line.flush()
      worker.postMessage({ type: 'keyhaven close' } satisfies CloseMessage)
      await exit
    },
  }
}
