/**
 * A server whose reads can be interrupted: what a test wants to happen between two reads of one request happens there,
 * every time, instead of once in a while.
 */
import type { DataFolder } from '../../src/data-folder.ts'
import type { Collection } from '../../src/ports/store.ts'
import { startTestServer, type TestServer } from './test-server.ts'

export interface InterruptedServer extends TestServer {
  /** Runs the action, once, before the next read of a vault's records in this collection. */
  interruptNext(collection: Collection, action: () => Promise<unknown>): void
}

export async function startInterruptedServer(): Promise<InterruptedServer> {
  const waiting = new Map<Collection, () => Promise<unknown>>()
  const interrupt = async (collection: Collection) => {
    const action = waiting.get(collection)
    waiting.delete(collection)
    await action?.()
  }
  const wrapStore = (data: DataFolder): DataFolder => ({
    ...data,
    recordsOf(vaultId) {
      const records = data.recordsOf(vaultId)
      return {
        ...records,
        async read(collection, key) {
          await interrupt(collection)
          return records.read(collection, key)
        },
        async page(collection, request) {
          await interrupt(collection)
          return records.page(collection, request)
        },
      }
    },
  })
  const server = await startTestServer({}, { wrapStore })
  return {
    ...server,
    interruptNext(collection, action) {
      waiting.set(collection, action)
    },
  }
}
