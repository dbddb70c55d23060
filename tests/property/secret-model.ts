/**
 * A vault as simple as it can be: maps of secrets with their versions, a clock, and for each request the one answer that
 * is right. It knows nothing of stores, revisions or pages, which is what makes it worth comparing with.
 */
import assert from 'node:assert/strict'
import type { TestAnswer } from '../support/test-server.ts'
import {
  beingDeleted,
  beingDeletedOnCreate,
  deletedButRecoverable,
  deletedSecretNotFound,
  type ExpectedRefusal,
  refusalText,
  restoreConflict,
  secretDisabled,
  secretNotFound,
  versionOf,
} from '../support/vault-answers.ts'
import type { Command, Details } from './secret-commands.ts'

const SECONDS_PER_DAY = 86_400

interface ModelVersion extends Details {
  readonly id: string
  readonly value: string
  readonly enabled: boolean
  readonly created: number
  readonly updated: number
}

interface ModelSecret {
  /** In the case it was created with. */
  readonly name: string
  /** By age; the last one is the current one. */
  readonly versions: readonly ModelVersion[]
  /** Until then a recovery is going on. */
  readonly visibleFrom: number
}

interface ModelDeleted {
  readonly secret: ModelSecret
  readonly deletedDate: number
  readonly purgeDate: number
  /** Until then the deletion is going on. */
  readonly visibleFrom: number
}

export interface ModelVault {
  readonly name: string
  /** `https://NAME.vault.localhost:PORT` */
  readonly baseUrl: string
  readonly retentionDays: number
  readonly isPurgeProtected: boolean
  /** By name in lower case. */
  readonly live: Map<string, ModelSecret>
  readonly deleted: Map<string, ModelDeleted>
}

export interface Model {
  readonly vaults: readonly ModelVault[]
  readonly latencySeconds: number
  nowSeconds: number
  /** Every version id ever answered, by age. */
  readonly versionIds: string[]
  readonly backups: { readonly blob: string; readonly secret: ModelSecret }[]
}

/** What a command asks a server, the way the model stands when it is sent. */
export interface ResolvedCommand {
  readonly command: Command
  readonly vault: ModelVault
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Name in the path and the version asked for, as written. */
  readonly name: string
  readonly version: string | undefined
  /** Of a restore; undefined for text that is no backup. */
  readonly blob: string | undefined
}

const UNKNOWN_VERSION = '0'.repeat(32)

export function resolve(model: Model, command: Command): ResolvedCommand {
  const vault = model.vaults[command.vault % model.vaults.length]
  assert.ok(vault !== undefined)
  const { name } = command
  const version =
    command.version === undefined
      ? undefined
      : (model.versionIds[model.versionIds.length - 1 - (command.version % (model.versionIds.length + 1))] ??
        UNKNOWN_VERSION)
  const blob = model.backups[command.backup % Math.max(1, model.backups.length)]?.blob
  const ofVersion = version === undefined ? '' : `/${version}`
  const [method, path, body] = requestOf()
  return { command, vault, method, path, body, name, version, blob }

  function requestOf(): readonly [method: string, path: string, body?: unknown] {
    const { contentType, tags, ...attributes } = command.details
    const members = {
      ...(contentType === undefined ? {} : { contentType }),
      ...(tags === undefined ? {} : { tags }),
      ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    }
    switch (command.kind) {
      case 'set':
        return ['PUT', `/secrets/${name}`, { value: command.value, ...members }]
      case 'get':
        return ['GET', `/secrets/${name}${ofVersion}`]
      case 'update':
        return ['PATCH', `/secrets/${name}${ofVersion}`, members]
      case 'list':
        return ['GET', '/secrets']
      case 'listVersions':
        return ['GET', `/secrets/${name}/versions`]
      case 'delete':
        return ['DELETE', `/secrets/${name}`]
      case 'getDeleted':
        return ['GET', `/deletedsecrets/${name}`]
      case 'listDeleted':
        return ['GET', '/deletedsecrets']
      case 'recover':
        return ['POST', `/deletedsecrets/${name}/recover`]
      case 'purge':
        return ['DELETE', `/deletedsecrets/${name}`]
      case 'backup':
        return ['POST', `/secrets/${name}/backup`]
      case 'restore':
        return ['POST', '/secrets/restore', { value: blob ?? 'none' }]
    }
  }
}

/** A copy that can be changed without the original; versions themselves never change. */
export function copyOf(model: Model): Model {
  const vaults = model.vaults.map((vault) => ({ ...vault, live: new Map(vault.live), deleted: new Map(vault.deleted) }))
  return { ...model, vaults, versionIds: [...model.versionIds], backups: [...model.backups] }
}

/** The same text for models that no answer tells apart. */
export function textOf(model: Model): string {
  const vaults = model.vaults.map(({ live, deleted }) => [sorted(live), sorted(deleted)])
  return JSON.stringify([vaults, [...model.versionIds].sort(), model.backups])
}

/** Purges what is due; called when the job has run. */
export function purgeDue(model: Model): void {
  for (const { deleted } of model.vaults) {
    for (const [key, { purgeDate }] of deleted) if (purgeDate <= model.nowSeconds) deleted.delete(key)
  }
}

/** Throws where the answer is not the right one; else the model has done what was asked. Lists come as one whole page. */
export function check(model: Model, asked: ResolvedCommand, answer: TestAnswer): void {
  const { status, text = answer.text } = rightAnswer(model, asked, answer)
  assert.deepEqual([answer.status, answer.text], [status, text])
}

interface RightAnswer {
  readonly status: number
  /** Undefined where any text will do. */
  readonly text?: string
}

/** Does what is asked. Of the answer it takes what the server chose: version ids and backups. */
function rightAnswer(model: Model, asked: ResolvedCommand, answer: TestAnswer): RightAnswer {
  const { command, name, version } = asked
  const vault = model.vaults.find((one) => one.name === asked.vault.name)
  assert.ok(vault !== undefined)
  const { live, deleted } = vault
  const now = model.nowSeconds
  const key = name.toLowerCase()
  const found = live.get(key)
  const secret = found !== undefined && found.visibleFrom > now ? undefined : found
  const gone = deleted.get(key)
  const isGoing = gone !== undefined && gone.visibleFrom > now
  const notFound = () => refused(404, secretNotFound(version === undefined ? name : `${name}/${version}`))

  switch (command.kind) {
    case 'set': {
      if (found === undefined && gone !== undefined) {
        return refused(409, isGoing ? beingDeletedOnCreate(name) : deletedButRecoverable(name))
      }
      if (found !== secret) return refused(409, beingRecovered(name))
      assert.equal(answer.status, 200, answer.text)
      const made: ModelVersion = {
        enabled: true,
        ...command.details,
        id: versionOf(answer),
        value: command.value,
        created: now,
        updated: now,
      }
      assert.ok(!model.versionIds.includes(made.id), 'the version is new')
      model.versionIds.push(made.id)
      const after: ModelSecret = {
        name: secret?.name ?? name,
        versions: [...(secret?.versions ?? []), made],
        visibleFrom: 0,
      }
      live.set(key, after)
      return done({ value: made.value, ...bundle(vault, after, made) })
    }
    case 'get': {
      const one = versionIn(secret, version)
      if (secret === undefined || one === undefined) return notFound()
      if (!one.enabled) return refused(403, secretDisabled)
      return done({ value: one.value, ...bundle(vault, secret, one) })
    }
    case 'update': {
      const one = versionIn(secret, version)
      if (secret === undefined || one === undefined) return notFound()
      const changed: ModelVersion = { ...one, ...command.details, updated: now }
      const after = { ...secret, versions: secret.versions.map((other) => (other === one ? changed : other)) }
      live.set(key, after)
      return done(bundle(vault, after, changed))
    }
    case 'list': {
      const shown = sorted(live).filter(({ visibleFrom }) => visibleFrom <= now)
      return done({ value: shown.map((one) => item(vault, one)), nextLink: null })
    }
    case 'listVersions': {
      const versions = [...(secret?.versions ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1))
      const value = secret === undefined ? [] : versions.map((one) => bundle(vault, secret, one))
      return done({ value, nextLink: null })
    }
    case 'delete': {
      if (secret === undefined) return notFound()
      const entry: ModelDeleted = {
        secret: { ...secret, visibleFrom: 0 },
        deletedDate: now,
        purgeDate: now + vault.retentionDays * SECONDS_PER_DAY,
        visibleFrom: now + model.latencySeconds,
      }
      live.delete(key)
      deleted.set(key, entry)
      return done({ ...dates(vault, entry), ...bundle(vault, secret, currentOf(secret)) })
    }
    case 'getDeleted': {
      if (gone === undefined || isGoing) return refused(404, deletedSecretNotFound(name))
      const current = currentOf(gone.secret)
      if (!current.enabled) return refused(403, secretDisabled)
      return done({ ...dates(vault, gone), ...bundle(vault, gone.secret, current) })
    }
    case 'listDeleted': {
      const shown = sorted(deleted).filter(({ visibleFrom }) => visibleFrom <= now)
      const value = shown.map((one) => ({ ...dates(vault, one), ...item(vault, one.secret) }))
      return done({ value, nextLink: null })
    }
    case 'recover': {
      if (gone === undefined) {
        return secret === undefined ? refused(404, deletedSecretNotFound(name)) : refused(400, isNotDeleted(name))
      }
      if (isGoing) return refused(409, beingDeleted(name))
      deleted.delete(key)
      live.set(key, { ...gone.secret, visibleFrom: model.latencySeconds === 0 ? 0 : now + model.latencySeconds })
      return done(bundle(vault, gone.secret, currentOf(gone.secret)))
    }
    case 'purge': {
      if (gone === undefined) return refused(404, deletedSecretNotFound(name))
      if (vault.isPurgeProtected) return { status: 403 }
      deleted.delete(key)
      return { status: 204, text: '' }
    }
    case 'backup': {
      if (secret === undefined) return notFound()
      assert.equal(answer.status, 200, answer.text)
      model.backups.push({ blob: answer.json.value as string, secret: { ...secret, visibleFrom: 0 } })
      return { status: 200 }
    }
    case 'restore': {
      const backup = model.backups.find(({ blob }) => blob === asked.blob)
      if (backup === undefined) return { status: 400 }
      const current = currentOf(backup.secret)
      const restored = backup.secret.name.toLowerCase()
      if (live.has(restored) || deleted.has(restored)) {
        return refused(409, restoreConflict(`${vault.baseUrl}/secrets/${backup.secret.name}/${current.id}`))
      }
      live.set(restored, backup.secret)
      return done(bundle(vault, backup.secret, current))
    }
  }
}

const beingRecovered = (name: string): ExpectedRefusal => ({
  code: 'Conflict',
  inner: 'ObjectIsBeingRecovered',
  message: `Secret ${name} is currently being recovered; retry later.`,
})

const isNotDeleted = (name: string): ExpectedRefusal => ({
  code: 'MethodNotAllowed',
  inner: 'RequestNotAllowedOnNonDeletedObject',
  message: `Secret exists already: ${name}`,
})

const refused = (status: number, refusal: ExpectedRefusal): RightAnswer => ({ status, text: refusalText(refusal) })

const done = (body: object): RightAnswer => ({ status: 200, text: JSON.stringify(body) })

function currentOf({ versions }: ModelSecret): ModelVersion {
  const current = versions.at(-1)
  assert.ok(current !== undefined)
  return current
}

function versionIn(secret: ModelSecret | undefined, version: string | undefined): ModelVersion | undefined {
  return version === undefined ? secret?.versions.at(-1) : secret?.versions.find(({ id }) => id === version)
}

function bundle(vault: ModelVault, secret: ModelSecret, version: ModelVersion): object {
  return shape(vault, version, `${vault.baseUrl}/secrets/${secret.name}/${version.id}`)
}

function item(vault: ModelVault, secret: ModelSecret): object {
  return shape(vault, currentOf(secret), `${vault.baseUrl}/secrets/${secret.name}`)
}

function shape(
  vault: ModelVault,
  { contentType, enabled, nbf, exp, created, updated, tags }: ModelVersion,
  id: string,
) {
  const level = vault.retentionDays === 90 ? 'Recoverable' : 'CustomizedRecoverable'
  return {
    ...(contentType === undefined ? {} : { contentType }),
    id,
    attributes: {
      enabled,
      ...(nbf === undefined ? {} : { nbf }),
      ...(exp === undefined ? {} : { exp }),
      created,
      updated,
      recoveryLevel: vault.isPurgeProtected ? level : `${level}+Purgeable`,
      recoverableDays: vault.retentionDays,
    },
    ...(tags === undefined ? {} : { tags }),
  }
}

function dates(vault: ModelVault, { secret, deletedDate, purgeDate }: ModelDeleted) {
  return {
    recoveryId: `${vault.baseUrl}/deletedsecrets/${secret.name}`,
    deletedDate,
    scheduledPurgeDate: purgeDate,
  }
}

function sorted<T>(map: ReadonlyMap<string, T>): T[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}
