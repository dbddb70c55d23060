/**
 * The line on which processes that only read hand their commits to the one that writes: the channel between a process
 * and its child. It needs `serialization: 'advanced'`, so that bytes stay bytes.
 */
import { type Change, type Store, StoreUnavailable } from '../../../ports/store.ts'
import { answerTo, CommitLine } from './commit-line.ts'

/** `process` in a child, a child process or a cluster worker in its parent. */
interface Channel {
  send?(message: object, callback: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

/** The writer's end: commits what a child asks for, and answers it. */
export function serveCommits(child: Channel, store: Pick<Store, 'commit'>): void {
  child.on('message', (message) => {
    void answerTo(message, (changes) => store.commit(changes))?.then((answer) => {
      // A child that is gone cannot be told; its commits stand.
      child.send?.(answer, () => undefined)
    })
  })
}

/** The child's end: how it commits. Rejects with StoreUnavailable once the writer is gone. */
export function forwardCommits(writer: Channel): (changes: readonly Change[]) => Promise<void> {
  const line = new CommitLine((message) => {
    if (writer.send === undefined) throw new Error('this process was not started with a channel to its parent')
    writer.send(message, (error) => {
      if (error !== null) line.break(new StoreUnavailable('the writing process cannot be reached', { cause: error }))
    })
  })
  writer.on('message', (message) => {
    line.receive(message)
  })
  writer.on('disconnect', () => {
    line.break(new StoreUnavailable('the writing process is gone'))
  })
  return (changes) => line.commit(changes)
}
