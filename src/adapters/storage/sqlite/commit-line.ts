/**
 * What is said on the line between whoever wants to commit and the thread or process that writes. Commits of one turn
 * of the event loop travel together; answers find their question by number. When the line breaks, everything unanswered
 * is refused as unavailable, because whether it was committed is unknown.
 */
import { type Change, type Collection, StoreConflict, StoreUnavailable } from '../../../ports/store.ts'

/** Commits that may wait for their answer; more are refused instead of filling the memory. */
const MAX_UNANSWERED = 10_000

export interface CommitsMessage {
  readonly type: 'keyhaven commits'
  readonly id: number
  readonly commits: readonly (readonly Change[])[]
}

export interface OutcomesMessage {
  readonly type: 'keyhaven outcomes'
  readonly id: number
  /** In the order of the commits. */
  readonly outcomes: readonly Outcome[]
}

type Outcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'conflict'; readonly collection: Collection; readonly key: string }
  | { readonly kind: 'failed'; readonly message: string; readonly cause: string }

interface Question {
  readonly changes: readonly Change[]
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The asking end. */
export class CommitLine {
  readonly #post: (message: CommitsMessage) => void
  readonly #unanswered = new Map<number, readonly Question[]>()
  #unsent: Question[] = []
  #count = 0
  #lastId = 0
  #brokenBy: StoreUnavailable | undefined

  /** `post` may throw, which refuses the commits it was given. */
  constructor(post: (message: CommitsMessage) => void) {
    this.#post = post
  }

  /** Commits that were not answered yet. */
  get unansweredCount(): number {
    return this.#count
  }

  /** As the port says. The bytes are copied, so they are the caller's again at once. */
  commit(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#brokenBy !== undefined) throw this.#brokenBy
      if (this.#count >= MAX_UNANSWERED) throw new StoreUnavailable('too many commits wait to be written')
      this.#count++
      if (this.#unsent.push({ changes: changes.map(copyOf), resolve, reject }) === 1) setImmediate(() => this.flush())
    })
  }

  /** Takes a message from the other end; what it has no use for, it leaves alone. */
  receive(message: unknown): void {
    if (!isOfType<OutcomesMessage>(message, 'keyhaven outcomes')) return
    const questions = this.#unanswered.get(message.id) ?? []
    this.#unanswered.delete(message.id)
    this.#count -= questions.length
    for (const [index, { resolve, reject }] of questions.entries()) {
      const outcome = message.outcomes[index]
      if (outcome?.kind === 'committed') resolve()
      else reject(errorOf(outcome))
    }
  }

  /** Refuses everything unanswered and all that comes later. */
  break(reason: StoreUnavailable): void {
    this.#brokenBy = reason
    const questions = [...[...this.#unanswered.values()].flat(), ...this.#unsent]
    this.#unanswered.clear()
    this.#unsent = []
    this.#count = 0
    for (const { reject } of questions) reject(reason)
  }

  /** Sends now what was asked for in this turn. */
  flush(): void {
    const questions = this.#unsent
    if (questions.length === 0) return
    this.#unsent = []
    const id = ++this.#lastId
    this.#unanswered.set(id, questions)
    try {
      this.#post({ type: 'keyhaven commits', id, commits: questions.map(({ changes }) => changes) })
    } catch (cause) {
      this.#unanswered.delete(id)
      this.#count -= questions.length
      for (const { reject } of questions) reject(new StoreUnavailable('the writer cannot be reached', { cause }))
    }
  }
}

/** The answering end: what to answer to a message, or undefined where it is about something else. */
export function answerTo(
  message: unknown,
  commit: (changes: readonly Change[]) => Promise<void>,
): Promise<OutcomesMessage> | undefined {
  if (!isOfType<CommitsMessage>(message, 'keyhaven commits')) return undefined
  const { id, commits } = message
  return Promise.all(
    commits.map((changes) => commit(changes).then((): Outcome => ({ kind: 'committed' }), outcomeOf)),
  ).then((outcomes) => ({ type: 'keyhaven outcomes', id, outcomes }))
}

export function isOfType<T extends { readonly type: string }>(message: unknown, type: T['type']): message is T {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === type
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof StoreConflict) return { kind: 'conflict', collection: error.collection, key: error.key }
  if (error instanceof StoreUnavailable) return { kind: 'failed', message: error.message, cause: String(error.cause) }
  return { kind: 'failed', message: 'the writer failed', cause: String(error) }
}

function errorOf(outcome: Exclude<Outcome, { kind: 'committed' }> | undefined): Error {
  if (outcome === undefined) return new StoreUnavailable('the writer did not say what became of a commit')
  if (outcome.kind === 'conflict') return new StoreConflict(outcome.collection, outcome.key)
  return new StoreUnavailable(outcome.message, { cause: new Error(outcome.cause) })
}

/** An array of its own: sending a view would send all of the memory that it is a view of. */
function copyOf({ collection, key, expect, body }: Change): Change {
  return { collection, key, expect, body: body === null || body === 'keep' ? body : new Uint8Array(body) }
}
