/** The thread that writes; see writer.ts. It says on its parent's port what became of every commit. */
import { parentPort, workerData } from 'node:worker_threads'
import { answerTo, isOfType } from './commit-line.ts'
import { CommitQueue } from './commit-queue.ts'
import { openForWriting } from './connection.ts'
import { scrub } from './scrub.ts'
import { unavailable } from './sqlite-errors.ts'
import type { CloseMessage, ScrubbedMessage, ScrubMessage } from './writer.ts'

if (parentPort === null || typeof workerData !== 'string') throw new Error('this file runs as a thread of writer.ts')
const port = parentPort
const database = openForWriting(workerData)
const queue = new CommitQueue(database)

port.on('message', (message: unknown) => {
  if (isOfType<ScrubMessage>(message, 'keyhaven scrub')) {
    port.postMessage({ type: 'keyhaven scrubbed', ...problemOf(() => scrub(database)) } satisfies ScrubbedMessage)
  } else if (isOfType<CloseMessage>(message, 'keyhaven close')) {
    close()
  } else {
    void answerTo(message, (changes) => queue.commit(changes))?.then((answer) => {
      port.postMessage(answer)
    })
  }
})

function problemOf(act: () => void): { problem?: string } {
  try {
    act()
    return {}
  } catch (error) {
    return { problem: unavailable(error, 'overwriting what was deleted').message }
  }
}

/** Answers are posted in later microtasks of this turn, so the port is closed in the next one. */
function close(): void {
  queue.flush()
  database.close()
  setImmediate(() => port.close())
}
