/**
 * A store whose n-th call fails as a real one may: before anything happened, or after it took effect and only the answer
 * was lost. The store's own object is changed, because a server has handed it to all its parts before a test gets it.
 */
import { type Change, type Store, StoreUnavailable } from '../../src/ports/store.ts'

/** Whether the call that fails had its effect. */
export type Moment = 'before' | 'after'

export const MOMENTS: readonly Moment[] = ['before', 'after']

export interface FallibleStore {
  /** Lets the n-th call from now on fail, counted from 1, once. */
  failAt(call: number, moment: Moment, error?: Error): void
  /** Lets every commit from now on fail that this accepts, until `mend`. */
  failCommits(isMeant: (changes: readonly Change[]) => boolean, error: () => Error): void
  /** Nothing fails from now on. Answers which call failed, `commit` or `read vaults`, if one did. */
  mend(): string | undefined
  /** Runs before each call from now on: other work that comes in between. */
  onCall(interrupt: ((call: string) => Promise<void>) | undefined): void
}

export function makeFallible(store: Store): FallibleStore {
  const { read, page, commit } = store
  let untilFailure = 0
  let failing: { readonly moment: Moment; readonly error: Error } | undefined
  let commits: { isMeant(changes: readonly Change[]): boolean; error(): Error } | undefined
  let failed: string | undefined
  let interrupt: ((call: string) => Promise<void>) | undefined

  async function perform<T>(call: string, act: () => Promise<T>): Promise<T> {
    await interrupt?.(call)
    if (failing === undefined || --untilFailure > 0) return act()
    const { moment, error } = failing
    failing = undefined
    failed = call
    if (moment === 'after') await act()
    throw error
  }

  store.read = (collection, key) => perform(`read ${collection}`, () => read.call(store, collection, key))
  store.page = (collection, request) => perform(`page ${collection}`, () => page.call(store, collection, request))
  store.commit = (changes) =>
    perform('commit', async () => {
      if (commits?.isMeant(changes) === true) {
        failed = 'commit'
        throw commits.error()
      }
      await commit.call(store, changes)
    })
  return {
    failAt(call, moment, error = new StoreUnavailable('the disk is on fire in rack 7')) {
      untilFailure = call
      failing = { moment, error }
      failed = undefined
    },
    failCommits(isMeant, error) {
      commits = { isMeant, error }
      failed = undefined
    },
    mend() {
      failing = undefined
      commits = undefined
      return failed
    },
    onCall(next) {
      interrupt = next
    },
  }
}
