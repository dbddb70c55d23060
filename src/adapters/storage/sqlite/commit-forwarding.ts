/**
 * Both ends of the line on which processes that only read hand their commits to the one that writes. Answers find their
 * question by number; when the writer goes away, everything unanswered is refused as unavailable, because whether it was
 * committed is unknown.
 */
import { type Change, type Store, StoreConflict, StoreUnavailable } from '../../../ports/store.ts'

interface CommitQuestion {
  readonly type: 'keyhaven commit'
  readonly id: number
  readonly changes: readonly Change[]
}

interface CommitAnswer {
  readonly type: 'keyhaven committed'
  readonly id: number
  readonly conflict?: Pick<StoreConflict, 'collection' | 'key'>
  readonly problem?: string
}

/** A process, a cluster worker, or this process as its parent sees it. */
interface Line {
  on(event: 'message' | 'disconnect', listener: (message: unknown) => void): unknown
  send?: ((message: object) => boolean) | undefined
}

/** The writer's end: answers what a worker process asks. Needs `serialization: 'advanced'`, so bytes stay bytes. */
export function serveCommits(worker: Line, store: Store): void {
  worker.on('message', (message: unknown) => {
    if (!isOfType<CommitQuestion>(message, 'keyhaven commit')) return
    const answer = (rest: Omit<CommitAnswer, 'type' | 'id'>) => {
      worker.send?.({ type: 'keyhaven committed', id: message.id, ...rest } satisfies CommitAnswer)
    }
    store.commit(message.changes).then(
      () => {
        answer({})
      },
      (error: unknown) => {
        if (error instanceof StoreConflict) answer({ conflict: { collection: error.collection, key: error.key } })
        else answer({ problem: error instanceof Error ? error.message : 'the writer failed' })
      },
    )
  })
}

/** The worker's end. */
export function forwardCommits(writer: Line): (changes: readonly Change[]) => Promise<void> {
  const open = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  let lastId = 0
  let isGone = false
  writer.on('message', (message: unknown) => {
    if (!isOfType<CommitAnswer>(message, 'keyhaven committed')) return
    const question = open.get(message.id)
    open.delete(message.id)
    if (message.conflict !== undefined) {
      question?.reject(new StoreConflict(message.conflict.collection, message.conflict.key))
    } else if (message.problem !== undefined) question?.reject(new StoreUnavailable(message.problem))
    else question?.resolve()
  })
  writer.on('disconnect', () => {
    isGone = true
    for (const { reject } of open.values()) reject(new StoreUnavailable('the writing process went away'))
    open.clear()
  })
  return (changes) =>
    new Promise<void>((resolve, reject) => {
      if (isGone || writer.send === undefined) {
        reject(new StoreUnavailable('the writing process is gone'))
        return
      }
      const id = ++lastId
      open.set(id, { resolve, reject })
      writer.send({ type: 'keyhaven commit', id, changes } satisfies CommitQuestion)
    })
}

function isOfType<T extends { readonly type: string }>(message: unknown, type: T['type']): message is T {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === type
}
