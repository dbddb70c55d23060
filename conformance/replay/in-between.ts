/**
 * The answers that the service gave while a deletion or a recovery had not finished. Our server finishes at once,
 * unless it is told to take its time as the service does; this plays recordings against a server told so, sends each
 * poll while the deletion is unfinished, and compares that answer. Everything else is played only to get there.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Bindings } from './bindings.ts'
import { compareAnswer } from './compare.ts'
import type { Plan, Step } from './plan.ts'
import { type Playing, pathFor, requestFor, type Session, type StepResult, sendUntil, startPlaying } from './player.ts'
import type { Exchange } from './recordings.ts'
import { todaysAnswer } from './rules.ts'

/** Long enough that an answer within the second after a deletion is always an unfinished one. */
export const LATENCY_SECONDS = 2

const SETTLING_POLLS_AT_MOST = 40
const POLL_PAUSE_MS = 250

export function hasInBetween(plan: Plan): boolean {
  return plan.steps.some((step) => step.inBetween.length > 0)
}

/** One result for each answer from before a deletion, recovery or purge had finished. */
export async function playInBetween(plan: Plan, session: Session, bindings: Bindings): Promise<StepResult[]> {
  const playing = startPlaying(plan, session, bindings)
  const results: StepResult[] = []
  /** Names whose deletion or recovery may be unfinished, with the address that tells when it is finished. */
  const unsettled = new Map<string, string>()
  for (const { step, earlier } of inSendingOrder(plan)) {
    const { exchange, target } = step
    const path = pathFor(step, playing) ?? ''
    if (earlier !== undefined) {
      results.push(await playOne(step, earlier, path, playing))
      continue
    }
    const name = target.name ?? ''
    if (exchange.status < 300) {
      if (step.inBetween.length === 0) await settle(unsettled.get(name), playing)
      unsettled.delete(name)
    }
    const answer = await sendUntil(exchange.status, step, path, playing)
    // Compared for the ids and blobs it binds; its differences are the ordinary run's to tell.
    const { expected } = answerFor(step, exchange, playing)
    compareAnswer(expected, answer, { bindings, isBackup: target.action === 'backup' })
    const { search } = new URL(exchange.url)
    if (isDeletion(step) && answer.status === 200) {
      unsettled.set(name, `/deletedsecrets/${name}${search}`)
    } else if (target.action === 'recover' && answer.status === 200) {
      unsettled.set(name, `/secrets/${name}${search}`)
    }
  }
  return results
}

interface Sending {
  readonly at: number
  readonly step: Step
  /** The answer in between that is expected; left out for the step itself. */
  readonly earlier?: Exchange
}

/**
 * Steps in their order, and each one's polls right after the deletion or recovery they wait for, because waiting for
 * another one first must not use up their time. Our purge is finished at once even on a slow server, so a restore that
 * was refused while the recorded purge was unfinished is sent before the purge.
 */
function inSendingOrder(plan: Plan): Sending[] {
  const sendings = plan.steps.filter(matters).flatMap((step): Sending[] => {
    const first = step.inBetween[0]?.n ?? step.exchange.n
    const at =
      step.target.action === 'restore' ? lastBefore(first, isPurge, plan) - 0.5 : lastOpening(step, first, plan) + 0.5
    return [...step.inBetween.map((earlier) => ({ at, step, earlier })), { at: step.exchange.n, step }]
  })
  return sendings.toSorted((left, right) => left.at - right.at)
}

function lastOpening({ target: { name } }: Step, n: number, plan: Plan): number {
  return lastBefore(
    n,
    (step) => step.target.name === name && (isDeletion(step) || step.target.action === 'recover'),
    plan,
  )
}

function isDeletion({ exchange: { method, status }, target }: Step): boolean {
  return method === 'DELETE' && target.area === 'secrets' && status === 200
}

function isPurge({ exchange, target }: Step): boolean {
  return exchange.method === 'DELETE' && target.area === 'deletedsecrets'
}

/** The number of the last such step before this one. */
function lastBefore(n: number, isSought: (step: Step) => boolean, plan: Plan): number {
  return plan.steps.findLast((step) => step.exchange.n < n && isSought(step))?.exchange.n ?? n
}

/** Reads change nothing, so they are left out unless they are polls themselves. */
function matters(step: Step): boolean {
  return step.inBetween.length > 0 || (step.exchange.method !== 'GET' && step.exchange.status !== 401)
}

function answerFor({ target }: Step, exchange: Exchange, { plan }: Playing) {
  return todaysAnswer({ exchange, target, source: plan.recording.source, vault: plan.vault })
}

async function playOne(step: Step, earlier: Exchange, path: string, playing: Playing): Promise<StepResult> {
  const { expected, applied } = answerFor(step, earlier, playing)
  try {
    const answer = await playing.session.transport.send(requestFor({ ...step, exchange: earlier }, path, playing))
    const differences = compareAnswer(expected, answer, { bindings: playing.bindings, isBackup: false })
    return { exchange: earlier, rules: applied, differences }
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    return {
      exchange: earlier,
      rules: applied,
      differences: [{ kind: 'unanswered', where: 'request', expected: `${expected.status}`, got }],
    }
  }
}

/** Waits until this address no longer answers 404. A disabled secret answers 403, which is settled too. */
async function settle(path: string | undefined, { session }: Playing): Promise<void> {
  if (path === undefined) return
  for (let poll = 0; poll < SETTLING_POLLS_AT_MOST; poll += 1) {
    const headers = { authorization: `Bearer ${session.token}` }
    const { status } = await session.transport.send({ method: 'GET', host: session.vaultHost, path, headers })
    if (status !== 404) return
    await delay(POLL_PAUSE_MS)
  }
}
