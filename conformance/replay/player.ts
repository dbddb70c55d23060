/**
 * Plays one recording against a vault of ours and compares every answer.
 *
 * Requests go out in the recorded order, with our ids in place of recorded ones, our blobs in restores and our own next
 * links. An exchange recorded with 401 is sent without a token, every other one with one. A poll is played until our
 * answer has the status the recorded one came to.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Bindings } from './bindings.ts'
import { compareAnswer } from './compare.ts'
import { type Difference, shown } from './differences.ts'
import { expectedPage, followMergedWalk } from './list-pages.ts'
import { isFullyPaged, listItems, type Plan, type Step } from './plan.ts'
import { type Exchange, isObject, type Json, member, text } from './recordings.ts'
import { todaysAnswer } from './rules.ts'
import { RecordedTimes } from './times.ts'
import type { Answer, Request, Transport } from './wire.ts'
import { nameIn, RecordedWorld, versionIn } from './world.ts'

const POLLS_AT_MOST = 40
const POLL_PAUSE_MS = 250
const SENT_HEADERS = ['accept', 'content-type', 'x-ms-client-request-id']

export interface Session {
  readonly transport: Transport
  /** `NAME.vault.azure.net` */
  readonly vaultHost: string
  readonly token: string
  readonly nowMs: () => number
}

export interface StepResult {
  readonly exchange: Exchange
  /** Rules that rewrote what was recorded, by id. */
  readonly rules: readonly string[]
  readonly differences: readonly Difference[]
  /** A later page of a list that was compared as a whole with its first page. */
  readonly isMerged?: true
}

export interface Playing {
  readonly plan: Plan
  readonly session: Session
  readonly bindings: Bindings
  readonly world: RecordedWorld
  readonly times: RecordedTimes
  /** Our next link after the last page of each walk; null where there was none. */
  readonly nextLinks: Map<NonNullable<Step['walk']>, string | null>
}

export function startPlaying(plan: Plan, session: Session, bindings: Bindings): Playing {
  const times = new RecordedTimes(Math.floor(session.nowMs() / 1000))
  return { plan, session, bindings, world: new RecordedWorld(), times, nextLinks: new Map() }
}

export async function playRecording(plan: Plan, session: Session, bindings: Bindings): Promise<StepResult[]> {
  const playing = startPlaying(plan, session, bindings)
  const obstacle = await plantSeeds(playing)
  if (obstacle !== undefined) {
    return plan.steps.map(({ exchange }) => ({ exchange, rules: [], differences: [obstacle] }))
  }
  const results: StepResult[] = []
  for (const step of plan.steps) {
    results.push(await playStep(step, playing))
    playing.world.observe(step.exchange, step.target)
  }
  return results
}

async function playStep(step: Step, playing: Playing): Promise<StepResult> {
  const { exchange, target } = step
  const { plan, bindings } = playing
  const { expected, applied } = todaysAnswer({
    exchange,
    target,
    source: plan.recording.source,
    vault: plan.vault,
  })
  const rules = [...applied]
  if (step.isBodyRebuilt) rules.push('request-body-rebuilt')
  if (step.inBetween.length > 0) rules.push('deletion-latency')
  if (plan.seeds.some(({ name }) => isShown(name, step))) rules.push('objects-of-before')
  const done = (differences: readonly Difference[]): StepResult => ({ exchange, rules, differences })

  try {
    if (step.walk && !isFullyPaged(step.walk, plan.managedNames)) {
      rules.push('list-pages-merged')
      if (step.pageIndex > 0) return { ...done([]), isMerged: true }
      const send = (path: string) => playing.session.transport.send(requestFor(step, path, playing))
      const merged = await followMergedWalk(
        step.walk,
        plan.managedNames,
        expected,
        bindings,
        recordedPath(exchange),
        send,
      )
      return done([...merged.differences, ...checkTimes(step, merged.recorded, merged.ours, playing)])
    }
    const page = step.walk === undefined ? undefined : expectedPage(step.walk, step.pageIndex, expected.body, bindings)
    if (page?.isReordered) rules.push('versions-in-another-order')
    const wanted = page === undefined ? expected : { ...expected, body: page.body }

    const path = pathFor(step, playing)
    if (path === undefined) return done([unanswered('a next link to follow', 'none was answered')])
    const answer = await sendUntil(wanted.status, step, path, playing)
    if (step.walk) playing.nextLinks.set(step.walk, text(member(answer.body, 'nextLink')) ?? null)
    const differences = compareAnswer(wanted, answer, { bindings, isBackup: target.action === 'backup' })
    differences.push(...checkTimes(step, wanted.body, answer.body, playing))
    differences.push(...(await keepStateEqual(step, answer, playing)))
    return done(differences)
  } catch (error) {
    return done([unanswered(`${expected.status}`, error instanceof Error ? error.message : String(error))])
  }
}

function unanswered(expected: string, got: string): Difference {
  return { kind: 'unanswered', where: 'request', expected, got }
}

function isShown(name: string, step: Step): boolean {
  if (step.exchange.status !== 200) return false
  if (step.target.name !== undefined) return step.target.name.toLowerCase() === name.toLowerCase()
  return listItems(step.exchange.responseBody).some((item) => nameIn(text(member(item, 'id')) ?? '') === name)
}

function recordedPath(exchange: Exchange): string {
  const url = new URL(exchange.url)
  return url.pathname + url.search
}

/** Where this step is sent; undefined where our last page had no next link to follow. */
export function pathFor(step: Step, playing: Playing): string | undefined {
  if (step.walk && step.pageIndex > 0) {
    const link = playing.nextLinks.get(step.walk)
    if (!link) return undefined
    const url = new URL(link)
    return url.pathname + url.search
  }
  const path = recordedPath(step.exchange)
  const { version } = step.target
  return version === undefined ? path : path.replace(version, playing.bindings.version(version) ?? version)
}

export function requestFor(step: Step, path: string, { session, bindings }: Playing): Request {
  const { exchange, target } = step
  const headers: Record<string, string> = {}
  for (const name of SENT_HEADERS) {
    const value = exchange.requestHeaders[name]
    if (value !== undefined) headers[name] = value
  }
  if (exchange.status !== 401) headers.authorization = `Bearer ${session.token}`
  const body = target.action === 'restore' ? withOurBlob(step.body, bindings) : step.body
  const isSent = body !== null && exchange.status !== 401
  if (!isSent && exchange.requestHeaders['content-length'] === '0') headers['content-length'] = '0'
  return {
    method: exchange.method,
    host: session.vaultHost,
    path,
    headers,
    ...(isSent ? { body: typeof body === 'string' ? body : JSON.stringify(body) } : {}),
  }
}

function withOurBlob(body: Json, bindings: Bindings): Json {
  const recorded = text(member(body, 'value'))
  const ours = recorded === undefined ? undefined : bindings.blob(recorded)
  return isObject(body) && ours !== undefined ? { ...body, value: ours } : body
}

/** Sends once, or as often as a client polling for the recorded answer would. */
export async function sendUntil(status: number, step: Step, path: string, playing: Playing): Promise<Answer> {
  const request = requestFor(step, path, playing)
  let answer = await playing.session.transport.send(request)
  for (let poll = 1; step.inBetween.length > 0 && answer.status !== status && poll < POLLS_AT_MOST; poll += 1) {
    await delay(POLL_PAUSE_MS)
    answer = await playing.session.transport.send(request)
  }
  return answer
}

function checkTimes(step: Step, recorded: Json, ours: Json, playing: Playing): Difference[] {
  const { method } = step.exchange
  const nowUnixSeconds = Math.floor(playing.session.nowMs() / 1000)
  const check = (then: Json, now: Json, where: string): Difference[] => {
    const id = text(member(then, 'id'))
    const mine = text(member(now, 'id'))
    if (id === undefined || mine === undefined || !playing.bindings.matches(id, mine)) return []
    const name = nameIn(id)
    const version = versionIn(id) ?? playing.world.currentVersion(name) ?? 'current'
    const about = { name, version, where, isNewVersion: method === 'PUT', isChanged: method === 'PATCH' }
    return playing.times.check(then, now, about, nowUnixSeconds)
  }
  const items = listItems(recorded)
  if (items.length === 0) return check(recorded, ours, '$')
  const mine = listItems(ours)
  return items.flatMap((item, index) => check(item, mine[index] ?? null, `$.value[${index}]`))
}

/** In a vault recorded without soft delete a deletion is the end; ours is purged to be in the same state. */
async function keepStateEqual(step: Step, answer: Answer, playing: Playing): Promise<Difference[]> {
  const { exchange, target } = step
  const isDelete = exchange.method === 'DELETE' && target.area === 'secrets' && answer.status === 200
  if (playing.plan.vault.hasSoftDelete || !isDelete) return []
  const apiVersion = new URL(exchange.url).search
  const purged = await sendPlain('DELETE', `/deletedsecrets/${target.name ?? ''}${apiVersion}`, null, playing.session)
  if (purged.status === 204) return []
  const got = `${purged.status} ${shown(purged.text)}`
  return [{ kind: 'state', where: 'purge after the deletion', expected: '204', got }]
}

/** Makes the secrets the recorded vault held from before; answers what kept one from being made, if anything did. */
async function plantSeeds({ plan, session, bindings, world }: Playing): Promise<Difference | undefined> {
  const obstacle = (name: string, { status, text: content }: Answer): Difference => {
    return { kind: 'state', where: `${name}, set beforehand`, expected: '200', got: `${status} ${shown(content)}` }
  }
  for (const { name, state, body, version } of plan.seeds) {
    const made = await sendPlain('PUT', `/secrets/${name}?api-version=7.4`, body, session)
    const ours = versionIn(text(member(made.body, 'id')))
    if (made.status !== 200 || ours === undefined) return obstacle(name, made)
    if (version !== undefined) bindings.bindVersion(version, ours)
    world.assume(name, state, version)
    if (state === 'live') continue
    const deleted = await sendPlain('DELETE', `/secrets/${name}?api-version=7.4`, null, session)
    if (deleted.status !== 200) return obstacle(name, deleted)
  }
  return undefined
}

function sendPlain(method: string, path: string, body: Json, session: Session): Promise<Answer> {
  return session.transport.send({
    method,
    host: session.vaultHost,
    path,
    headers: { authorization: `Bearer ${session.token}`, 'content-type': 'application/json' },
    ...(body === null ? {} : { body: JSON.stringify(body) }),
  })
}
