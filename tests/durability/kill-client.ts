/**
 * One of the clients of the kill test. It sends one request at a time to secrets that nobody else touches, so after a
 * kill each of them is as the last answer said, or as the one request without an answer would have made it.
 */
import { connectTo, type RealAnswer, type RealClient } from '../support/real-client.ts'
import type { ReadyLine } from '../support/real-server.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { type Change, changed, describeState, isSame, NONE, type SecretState, type Version } from './secret-states.ts'

const API = 'api-version=2025-07-01'
const HOST = 'dev.vault.localhost'
const MAX_VERSIONS = 4
const UNAVAILABLE = 503
/** Now and then a value that does not fit into one page of the data file. */
const LONG_VALUE_CHARACTERS = 9_000

interface Tracked {
  readonly name: string
  state: SecretState
  /** The change that got no answer. */
  pending: Change | undefined
}

/** Counts over all clients. */
export interface Tally {
  readonly answered: Record<string, number>
  verifiedSecrets: number
  verifiedVersions: number
  pendingApplied: number
  pendingNotApplied: number
  sharedVersions: number
}

export interface KillClientParts {
  readonly id: number
  readonly random: SeededRandom
  readonly tally: Tally
  /** Called with the id of every request that was answered. */
  onAnswer(requestId: string): void
  /** Called with a sentence when the server broke its word. */
  onViolation(sentence: string): void
}

/** What many clients set at once: every acknowledged version has to be there, whoever won. */
export interface SharedSecret {
  readonly name: string
  readonly acknowledged: Map<string, string>
  readonly unanswered: Set<string>
}

export class KillClient {
  readonly #parts: KillClientParts
  readonly #secrets = new Map<string, Tracked>()
  readonly #touched = new Set<Tracked>()
  #client: RealClient | undefined
  #token = ''
  #count = 0

  constructor(parts: KillClientParts) {
    this.#parts = parts
  }

  connect(ready: ReadyLine, token: string): void {
    this.disconnect()
    this.#client = connectTo(ready)
    this.#token = token
  }

  disconnect(): void {
    this.#client?.close()
    this.#client = undefined
  }

  /** Works until `isOver` says so, or the server is gone; answers whether it was. */
  async work(isOver: () => boolean, shared: SharedSecret): Promise<boolean> {
    const { random } = this.#parts
    while (!isOver()) {
      try {
        if (random.below(12) === 0) await this.#setShared(shared)
        else await this.#actOn(this.#pickSecret())
      } catch (error) {
        // A connection that is lost is what this test is about; the caller knows whether it was due.
        if (isConnectionLoss(error)) return true
        if (!(error instanceof UnexpectedAnswer)) throw error
        return false
      }
    }
    return false
  }

  /** Compares the secrets touched since the last time, or all of them, with what the server has. */
  async verify(scope: 'touched' | 'all'): Promise<void> {
    for (const secret of scope === 'all' ? [...this.#secrets.values()] : [...this.#touched]) {
      const found = await this.#observe(secret.name)
      const { tally, onViolation } = this.#parts
      tally.verifiedSecrets++
      if (found.kind !== 'none') tally.verifiedVersions += found.versions.size
      const { state, pending } = secret
      // Observing recovers what is deleted, to look into it.
      const isWithout = isSame(state.kind === 'deleted' ? changed(state, { kind: 'recover' }) : state, found)
      if (pending !== undefined && !isWithout) {
        const next = changed(state, pending)
        const isWith = isSame(next.kind === 'deleted' ? changed(next, { kind: 'recover' }) : next, found)
        if (isWith) tally.pendingApplied++
        else onViolation(this.#difference(secret, found))
      } else if (!isWithout) onViolation(this.#difference(secret, found))
      else if (pending !== undefined) tally.pendingNotApplied++
      secret.state = found
      secret.pending = undefined
    }
    this.#touched.clear()
  }

  /** Checks what many clients set, then takes it away. */
  async verifyShared({ name, acknowledged, unanswered }: SharedSecret): Promise<void> {
    const { tally, onViolation } = this.#parts
    const found = await this.#observe(name)
    const versions = found.kind === 'none' ? new Map<string, Version>() : found.versions
    for (const [id, value] of acknowledged) {
      tally.sharedVersions++
      if (versions.get(id)?.value !== value) onViolation(`the shared secret ${name} lost its version ${id}`)
    }
    for (const [id, { value }] of versions) {
      if (!acknowledged.has(id) && !unanswered.has(value)) {
        onViolation(`the shared secret ${name} has a version ${id} that nobody set`)
      }
    }
    if (found.kind === 'none') return
    await this.#expect('delete', 'DELETE', `/secrets/${name}`, [200])
    await this.#expect('purge', 'DELETE', `/deletedsecrets/${name}`, [204])
  }

  #difference({ name, state, pending }: Tracked, found: SecretState): string {
    const maybe = pending === undefined ? '' : `, perhaps with ${pending.kind}`
    return `${name} was ${describeState(state)}${maybe}; it is ${describeState(found)}`
  }

  #pickSecret(): Tracked {
    const { id, random } = this.#parts
    const slot = random.below(3)
    const current = [...this.#secrets.values()].filter(({ name }) => name.startsWith(`c${id}-s${slot}-`)).at(-1)
    // A purged name is used again, or left to see whether it comes back.
    if (current !== undefined && (current.state.kind !== 'none' || random.below(2) === 0)) return current
    const fresh: Tracked = { name: `c${id}-s${slot}-n${this.#secrets.size}`, state: NONE, pending: undefined }
    this.#secrets.set(fresh.name, fresh)
    return fresh
  }

  #newVersion(): Version {
    const { id, random } = this.#parts
    const value = `value-${id}-${++this.#count}-`
    return {
      value: random.below(10) === 0 ? value.padEnd(LONG_VALUE_CHARACTERS, 'x') : value,
      note: `note-${this.#count}`,
    }
  }

  async #actOn(secret: Tracked): Promise<void> {
    const { random } = this.#parts
    const { name, state } = secret
    this.#touched.add(secret)
    if (state.kind === 'none') return this.#set(secret)
    if (state.kind === 'deleted') {
      return random.below(2) === 0
        ? this.#change(secret, { kind: 'recover' }, 'POST', `/deletedsecrets/${name}/recover`)
        : this.#change(secret, { kind: 'purge' }, 'DELETE', `/deletedsecrets/${name}`)
    }
    const ids = [...state.versions.keys()]
    switch (random.below(8)) {
      case 0:
      case 1:
        return ids.length < MAX_VERSIONS
          ? this.#set(secret)
          : this.#change(secret, { kind: 'delete' }, 'DELETE', `/secrets/${name}`)
      case 2: {
        const id = random.pick(ids)
        const { note } = this.#newVersion()
        return this.#change(secret, { kind: 'update', id, note }, 'PATCH', `/secrets/${name}/${id}`, { tags: { note } })
      }
      case 3:
        return this.#change(secret, { kind: 'delete' }, 'DELETE', `/secrets/${name}`)
      case 4:
        return this.#moveThroughBackup(secret, state)
      default: {
        const id = random.pick(ids)
        const answer = await this.#expect('get', 'GET', `/secrets/${name}/${id}`, [200])
        const expected = state.versions.get(id)
        if (answer.json.value !== expected?.value || answer.json.tags.note !== expected?.note) {
          this.#parts.onViolation(`${name}/${id} answered something that was not set`)
        }
      }
    }
  }

  async #set(secret: Tracked): Promise<void> {
    const version = this.#newVersion()
    const { value, note } = version
    await this.#change(secret, { kind: 'set', version }, 'PUT', `/secrets/${secret.name}`, { value, tags: { note } })
  }

  async #moveThroughBackup(secret: Tracked, backup: SecretState): Promise<void> {
    const { name } = secret
    const { json } = await this.#expect('backup', 'POST', `/secrets/${name}/backup`, [200])
    await this.#change(secret, { kind: 'delete' }, 'DELETE', `/secrets/${name}`)
    await this.#change(secret, { kind: 'purge' }, 'DELETE', `/deletedsecrets/${name}`)
    await this.#change(secret, { kind: 'restore', backup }, 'POST', '/secrets/restore', { value: json.value })
  }

  async #change(secret: Tracked, change: Change, method: string, path: string, body?: object): Promise<void> {
    secret.pending = change
    const answer = await this.#expect(change.kind, method, path, [change.kind === 'purge' ? 204 : 200], body)
    secret.pending = undefined
    secret.state = changed(secret.state, change, change.kind === 'set' ? idOf(answer) : undefined)
  }

  async #setShared({ name, acknowledged, unanswered }: SharedSecret): Promise<void> {
    const { value } = this.#newVersion()
    unanswered.add(value)
    // Whoever loses too many races is told so, and has set nothing.
    const answer = await this.#expect('setShared', 'PUT', `/secrets/${name}`, [200, 409], { value, tags: { note: '' } })
    unanswered.delete(value)
    if (answer.status === 200) acknowledged.set(idOf(answer), value)
  }

  /** What the server has of a secret, every value included; a deleted one is recovered for it. */
  async #observe(name: string): Promise<SecretState> {
    const deleted = await this.#expect('verify', 'GET', `/deletedsecrets/${name}`, [200, 404])
    const live = await this.#expect('verify', 'GET', `/secrets/${name}`, [200, 404])
    if (deleted.status === 200) {
      if (live.status === 200) this.#parts.onViolation(`${name} is live and deleted at once`)
      await this.#expect('verify', 'POST', `/deletedsecrets/${name}/recover`, [200])
      return this.#observe(name)
    }
    const ids = await this.#versionIds(name)
    if (live.status === 404) {
      if (ids.length > 0) this.#parts.onViolation(`${name} has versions and does not exist`)
      return NONE
    }
    const versions = new Map<string, Version>()
    for (const id of ids) {
      const { json } = await this.#expect('verify', 'GET', `/secrets/${name}/${id}`, [200])
      versions.set(id, { value: json.value, note: json.tags.note })
    }
    return { kind: 'live', current: idOf(live), versions }
  }

  async #versionIds(name: string): Promise<readonly string[]> {
    const ids: string[] = []
    for (let path = `/secrets/${name}/versions`; ; ) {
      const { json } = await this.#expect('verify', 'GET', path, [200])
      for (const { id } of json.value) ids.push(id.slice(-32))
      if (json.nextLink === null) return ids
      const next = new URL(json.nextLink)
      path = next.pathname + next.search
    }
  }

  async #expect(
    kind: string,
    method: string,
    path: string,
    statuses: readonly number[],
    body?: object,
  ): Promise<RealAnswer> {
    if (this.#client === undefined) throw new Error('the client is not connected')
    const versioned = path.includes('?') ? path : `${path}?${API}`
    const answer = await this.#client.send({ method, host: HOST, path: versioned, body, token: this.#token })
    const { tally, onAnswer, onViolation } = this.#parts
    tally.answered[kind] = (tally.answered[kind] ?? 0) + 1
    onAnswer(String(answer.headers['x-ms-request-id']))
    // A worker that outlives its writer for a moment says so, and does not know whether the change was written.
    if (answer.status === UNAVAILABLE) throw new ServerGone(`${method} ${path}: ${answer.status}`)
    if (!statuses.includes(answer.status)) {
      onViolation(`${method} ${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`)
      throw new UnexpectedAnswer(`${method} ${path}: ${answer.status}`)
    }
    return answer
  }
}

/** Told as a violation already; what the client was doing ends here. */
class UnexpectedAnswer extends Error {}

class ServerGone extends Error {}

const idOf = ({ json }: RealAnswer): string => json.id.slice(-32)

function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof ServerGone) return true
  const code = 'code' in error ? String(error.code) : ''
  return ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code) || error.message.startsWith('the connection was lost')
}
