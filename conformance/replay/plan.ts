/**
 * Turns a recording into what will be sent: which vault it needs, what must be there before it starts, and one step for
 * each exchange about secrets. Everything here is decided from the recording alone, without a server, so that
 * `--offline` can say what a replay would do.
 */
import {
  type Exchange,
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  type Recording,
  type SecretTarget,
  secretTarget,
  text,
} from './recordings.ts'
import { nameIn, RecordedWorld, versionIn } from './world.ts'

const DEFAULT_PAGE_SIZE = 25
const SECONDS_PER_DAY = 86_400

export interface VaultNeeds {
  /** False for vaults of the years when soft delete could be left off. */
  readonly hasSoftDelete: boolean
  readonly retentionDays: number
  readonly hasPurgeProtection: boolean
  readonly usesRbac: boolean
}

/** A secret the recorded vault held before the recording started. */
export interface Seed {
  readonly name: string
  readonly state: 'live' | 'deleted'
  readonly body: JsonObject
  /** The recorded id of its version, where the recording shows it. */
  readonly version?: string
}

/** A list that was read page by page. */
export interface Walk {
  readonly kind: 'secrets' | 'deletedsecrets' | 'versions'
  readonly pages: Exchange[]
  readonly pageSize: number
}

export interface Step {
  readonly exchange: Exchange
  readonly target: SecretTarget
  /** Null where nothing is sent. */
  readonly body: Json
  /** True where the recorder kept no request bodies and this one was read off the answer. */
  readonly isBodyRebuilt: boolean
  /** Earlier answers to the same request, given while a deletion, recovery or purge had not finished. */
  readonly inBetween: readonly Exchange[]
  readonly walk?: Walk
  /** Place in the walk, from 0. */
  readonly pageIndex: number
}

export interface NotPlayed {
  readonly exchange: Exchange
  readonly reason: string
}

export interface Plan {
  readonly recording: Recording
  readonly vault: VaultNeeds
  readonly seeds: readonly Seed[]
  /** Names in recorded lists that belong to certificates, which are not replayed yet. */
  readonly managedNames: ReadonlySet<string>
  readonly steps: readonly Step[]
  readonly notPlayed: readonly NotPlayed[]
  readonly outOfScope: readonly Exchange[]
}

export function planReplay(recording: Recording): Plan {
  const world = new RecordedWorld()
  const seeds: Seed[] = []
  const managedNames = new Set<string>()
  const steps: Step[] = []
  const notPlayed: NotPlayed[] = []
  const outOfScope: Exchange[] = []
  const waiting = new Map<string, Exchange[]>()
  const walksByNextLink = new Map<string, Walk>()
  const keepsNoBodies = recording.source === 'sdk-cpp' || recording.source === 'keyvault-java'

  for (const exchange of recording.exchanges) {
    const target = secretTarget(exchange)
    if (target === undefined) {
      outOfScope.push(exchange)
      continue
    }
    assumeWhatIsThere(exchange, target, world, seeds, managedNames)
    if (target.name !== undefined && managedNames.has(target.name.toLowerCase())) {
      notPlayed.push({ exchange, reason: 'the secret belongs to a certificate' })
      continue
    }
    const requestKey = [exchange.method, target.area, target.name, target.version, target.action].join(' ')
    if (world.isInBetween(exchange, target)) {
      const earlier = waiting.get(requestKey) ?? []
      waiting.set(requestKey, [...earlier, exchange])
      continue
    }
    const inBetween = waiting.get(requestKey) ?? []
    waiting.delete(requestKey)
    const needsBody = keepsNoBodies && exchange.requestBody === null && exchange.status !== 401
    const rebuilt = needsBody ? rebuildBody(exchange, target, world.lastBackup) : undefined
    const walk = exchange.status === 200 ? walkOf(exchange, target, walksByNextLink) : undefined
    steps.push({
      exchange,
      target,
      body: rebuilt ?? exchange.requestBody,
      isBodyRebuilt: rebuilt !== undefined,
      inBetween,
      pageIndex: walk === undefined ? 0 : walk.pages.length - 1,
      ...(walk === undefined ? {} : { walk }),
    })
    world.observe(exchange, target)
  }
  for (const exchanges of waiting.values()) {
    for (const exchange of exchanges) {
      notPlayed.push({ exchange, reason: 'an answer from before a deletion finished, with no settled one after it' })
    }
  }
  return { recording, vault: vaultNeeds(recording), seeds, managedNames, steps, notPlayed, outOfScope }
}

/** True where the recorded pages are as full as asked for, so that ours can be compared page by page. */
export function isFullyPaged(walk: Walk, managedNames: ReadonlySet<string>): boolean {
  return walk.pages.every((page, index) => {
    const items = listItems(page.responseBody)
    if (items.some((item) => managedNames.has(itemName(item).toLowerCase()))) return false
    if (items.length === walk.pageSize) return true
    // A last page without anything follows a link that promised something hidden.
    const isLast = typeof member(page.responseBody, 'nextLink') !== 'string'
    return isLast && (items.length > 0 || index === 0)
  })
}

export function listItems(body: Json): readonly Json[] {
  const items = member(body, 'value')
  return isArray(items) ? items : []
}

/** The name a list item is about. */
export function itemName(item: Json): string {
  const id = text(member(item, 'id'))
  return id === undefined ? '' : nameIn(id)
}

/** The same for a next link as answered and as it was requested, whatever the client did to its escapes. */
function nextLinkKey(link: string): string {
  const url = new URL(link)
  return `${url.pathname} ${url.searchParams.get('$skiptoken') ?? ''}`
}

function walkOf(exchange: Exchange, target: SecretTarget, walks: Map<string, Walk>): Walk | undefined {
  const isList = exchange.method === 'GET' && (target.name === undefined || target.action === 'versions')
  if (!isList) return undefined
  const url = new URL(exchange.url)
  const started = url.searchParams.has('$skiptoken') ? walks.get(nextLinkKey(exchange.url)) : undefined
  const walk: Walk = started ?? {
    kind: target.action === 'versions' ? 'versions' : target.area,
    pages: [],
    pageSize: Number(url.searchParams.get('maxresults') ?? DEFAULT_PAGE_SIZE),
  }
  walk.pages.push(exchange)
  const nextLink = text(member(exchange.responseBody, 'nextLink'))
  if (nextLink !== undefined) walks.set(nextLinkKey(nextLink), walk)
  return walk
}

/** What a client must have sent to get this answer; undefined where nothing was sent. */
function rebuildBody(exchange: Exchange, target: SecretTarget, lastBackup: string | undefined): Json | undefined {
  const answer = exchange.responseBody
  if (target.action === 'restore') return lastBackup === undefined ? undefined : { value: lastBackup }
  if (exchange.method !== 'PUT' && exchange.method !== 'PATCH') return undefined
  return settableMembers(answer, text(member(answer, 'value')))
}

function settableMembers(answer: Json, value: string | undefined): JsonObject {
  const attributes: Record<string, Json> = {}
  for (const name of ['enabled', 'nbf', 'exp']) {
    const content = member(answer, 'attributes', name)
    if (content !== undefined) attributes[name] = content
  }
  const contentType = member(answer, 'contentType')
  const tags = member(answer, 'tags')
  return {
    ...(value === undefined ? {} : { value }),
    ...(contentType === undefined ? {} : { contentType }),
    attributes,
    ...(tags === undefined ? {} : { tags }),
  }
}

/** Notes secrets the answer shows that the recording has not made. */
function assumeWhatIsThere(
  exchange: Exchange,
  target: SecretTarget,
  world: RecordedWorld,
  seeds: Seed[],
  managedNames: Set<string>,
): void {
  if (exchange.status !== 200 || exchange.method !== 'GET') return
  const isList = target.name === undefined
  const shown = isList ? listItems(exchange.responseBody) : [exchange.responseBody]
  if (target.action === 'versions') return
  for (const item of shown) {
    const id = text(member(item, 'id'))
    if (id === undefined) continue
    const name = nameIn(id)
    if (world.stateOf(name) !== 'absent' || managedNames.has(name.toLowerCase())) continue
    if (member(item, 'managed') === true) {
      managedNames.add(name.toLowerCase())
      continue
    }
    const state = target.area === 'deletedsecrets' ? 'deleted' : 'live'
    const version = versionIn(id)
    const value = text(member(item, 'value')) ?? 'set before the recording started'
    seeds.push({ name, state, body: settableMembers(item, value), ...(version === undefined ? {} : { version }) })
    world.assume(name, state, version)
  }
}

/** What the recorded vault must have been, read off its answers. */
function vaultNeeds(recording: Recording): VaultNeeds {
  let level: string | undefined
  let days: number | undefined
  let usesRbac = false
  for (const exchange of recording.exchanges) {
    if (secretTarget(exchange) === undefined) continue
    usesRbac ||= 'x-ms-keyvault-rbac-assignment-id' in exchange.responseHeaders
    const body = exchange.responseBody
    for (const shown of [body, ...listItems(body)]) {
      const attributes = member(shown, 'attributes')
      if (!isObject(attributes)) continue
      level ??= text(attributes.recoveryLevel)
      const { recoverableDays } = attributes
      if (typeof recoverableDays === 'number') days ??= recoverableDays
    }
    const deleted = member(body, 'deletedDate')
    const purged = member(body, 'scheduledPurgeDate')
    if (typeof deleted === 'number' && typeof purged === 'number') days ??= (purged - deleted) / SECONDS_PER_DAY
  }
  return {
    hasSoftDelete: level !== 'Purgeable',
    retentionDays: days ?? (level?.startsWith('Customized') ? 7 : 90),
    hasPurgeProtection: level !== undefined && !level.endsWith('Purgeable'),
    usesRbac,
  }
}
