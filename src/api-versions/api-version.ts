/**
 * Api-versions as data. A handler speaks the newest version; each older one is described by the steps from the next
 * newer version back to it, so an old client's answer is the newest answer taken down step by step.
 */

import { v7_0 } from './7.0.ts'
import { v7_1 } from './7.1.ts'
import { v2025_07_01 } from './2025-07-01.ts'
import { newest } from './newest.ts'

export interface ApiVersion {
  readonly version: string
  /** What an answer of the next newer version loses on the way to this one. */
  readonly down?: (operationId: string, answer: unknown) => unknown
  /** Query parameters, by operation id, that the next newer version brought and this one ignores. */
  readonly ignoredQuery?: Readonly<Record<string, readonly string[]>>
}

/** Oldest first. Versions between two entries answer exactly as the older of the two does. */
export const apiVersions: readonly ApiVersion[] = [v7_0, v7_1, v2025_07_01, newest]

export interface ResolvedApiVersion {
  /** As the request wrote it. */
  readonly requested: string
  /** Sorts like the versions' history. */
  readonly order: number
  /** Takes an answer of the newest version down to this one. */
  shape(operationId: string, answer: unknown): unknown
  ignoresQuery(operationId: string, name: string): boolean
}

const WELL_FORMED = /^(?:(\d)\.(\d{1,2})|(\d{4})-(\d{2})-(\d{2}))(-preview(?:\.\d+)?)?$/
const MAX_RESOLVED = 500
const resolved = new Map<string, ResolvedApiVersion>()

/**
 * The version a request asks for, or undefined for text that is none. A version we do not know behaves as the newest
 * one that is not newer than it; a preview behaves as the version it became.
 */
export function resolveApiVersion(text: string): ResolvedApiVersion | undefined {
  const known = resolved.get(text)
  if (known !== undefined) return known
  const order = orderOf(text)
  if (order === undefined) return undefined
  const index = Math.max(
    0,
    apiVersions.findLastIndex(({ version }) => (orderOf(version) ?? 0) <= order),
  )
  const older = apiVersions.slice(index, -1).toReversed()
  const steps = older.flatMap(({ down }) => (down === undefined ? [] : [down]))
  const result: ResolvedApiVersion = {
    requested: text,
    order,
    shape: (operationId, answer) => steps.reduce((shaped, step) => step(operationId, shaped), answer),
    ignoresQuery: (operationId, name) =>
      older.some(({ ignoredQuery }) => ignoredQuery?.[operationId]?.includes(name) === true),
  }
  if (resolved.size >= MAX_RESOLVED) resolved.clear()
  resolved.set(text, result)
  return result
}

/** 7.x came after 2016-10-01 and before every later date. */
export function orderOf(text: string): number | undefined {
  const match = WELL_FORMED.exec(text)
  if (match === null) return undefined
  const [, major, minor, year, month, day] = match
  if (major !== undefined) return 20_180_000 + Number(major) * 100 + Number(minor)
  return Number(`${year}${month}${day}`)
}
