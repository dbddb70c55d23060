/**
 * What the recorded vault held, followed exchange by exchange. The replayer needs it to tell a settled answer from one
 * given while the service was still busy: a 404 for a deleted secret that was deleted a moment ago is a poll, the same
 * 404 after a purge is an answer.
 */
import { type Exchange, isObject, member, type SecretTarget, text } from './recordings.ts'

interface RecordedSecret {
  readonly name: string
  state: 'live' | 'deleted'
  /** Version ids in the order they were made; the last one is current. */
  versions: string[]
}

export class RecordedWorld {
  readonly #secrets = new Map<string, RecordedSecret>()
  readonly #backups = new Map<string, RecordedSecret>()
  #lastBackup: string | undefined

  stateOf(name: string): 'live' | 'deleted' | 'absent' {
    return this.#secrets.get(name.toLowerCase())?.state ?? 'absent'
  }

  currentVersion(name: string): string | undefined {
    return this.#secrets.get(name.toLowerCase())?.versions.at(-1)
  }

  /** The blob the recording's restore must have sent, where the recorder kept no request bodies. */
  get lastBackup(): string | undefined {
    return this.#lastBackup
  }

  /** A secret that was there before the recording started. */
  assume(name: string, state: 'live' | 'deleted', version?: string): void {
    this.#secrets.set(name.toLowerCase(), { name, state, versions: version === undefined ? [] : [version] })
  }

  /** True when the service answered so only because an earlier deletion, recovery or purge had not finished. */
  isInBetween(exchange: Exchange, target: SecretTarget): boolean {
    const { status } = exchange
    const inner = text(member(exchange.responseBody, 'error', 'innererror', 'code'))
    if (status === 409 && inner === 'ObjectIsBeingDeleted') return true
    if (status === 409 && target.action === 'restore') {
      const restored = this.#backups.get(text(member(exchange.requestBody, 'value')) ?? this.#lastBackup ?? '')
      return restored !== undefined && this.stateOf(restored.name) === 'absent'
    }
    if (status !== 404 || exchange.method !== 'GET' || target.name === undefined) return false
    return this.stateOf(target.name) === (target.area === 'deletedsecrets' ? 'deleted' : 'live')
  }

  /** Follows one exchange. */
  observe(exchange: Exchange, target: SecretTarget): void {
    if (exchange.status >= 300) return
    const name = target.name
    const key = name?.toLowerCase() ?? ''
    const secret = this.#secrets.get(key)
    const { method } = exchange
    if (target.action === 'restore') {
      const blob = text(member(exchange.requestBody, 'value')) ?? this.#lastBackup ?? ''
      const restored = this.#backups.get(blob)
      if (restored) this.#secrets.set(restored.name.toLowerCase(), { ...restored, versions: [...restored.versions] })
    } else if (target.action === 'backup') {
      const blob = text(member(exchange.responseBody, 'value'))
      if (secret && blob !== undefined) {
        this.#backups.set(blob, { ...secret, versions: [...secret.versions] })
        this.#lastBackup = blob
      }
    } else if (target.action === 'recover') {
      if (secret) secret.state = 'live'
    } else if (name !== undefined && method === 'PUT') {
      const version = versionIn(text(member(exchange.responseBody, 'id')))
      const versions = secret?.versions ?? []
      if (version !== undefined) versions.push(version)
      this.#secrets.set(key, { name: secret?.name ?? name, state: 'live', versions })
    } else if (name !== undefined && method === 'DELETE') {
      const isSoft = isObject(exchange.responseBody) && 'recoveryId' in exchange.responseBody
      if (target.area === 'secrets' && isSoft && secret) secret.state = 'deleted'
      else this.#secrets.delete(key)
    }
  }
}

/** The version id at the end of a full id; undefined where the id names no version. */
export function versionIn(id: string | undefined): string | undefined {
  return id?.match(/\/([0-9a-f]{32})$/)?.[1]
}

/** The name in `https://…/secrets/NAME` or `https://…/secrets/NAME/VERSION`. */
export function nameIn(id: string): string {
  return new URL(id).pathname.split('/')[2] ?? ''
}
