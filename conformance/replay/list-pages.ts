/**
 * Lists, page by page. Two things make recorded pages differ from ours without either being wrong: versions are listed
 * by version id, which is random, and a service page may be short or empty because it counts what it scans. The first
 * is undone by putting the recorded items in the order our ids give; for the second the pages are read as one list.
 */
import type { Bindings } from './bindings.ts'
import { compareEnvelope, compareJson, isSameNextLink } from './compare.ts'
import { type Difference, shown } from './differences.ts'
import { itemName, listItems, type Walk } from './plan.ts'
import { isObject, type Json, member, text } from './recordings.ts'
import type { Expectation } from './rules.ts'
import type { Answer } from './wire.ts'
import { versionIn } from './world.ts'

const PAGES_AT_MOST = 50

export interface ExpectedPage {
  readonly body: Json
  readonly isReordered: boolean
}

/** The page's body with the items our server has to show there. */
export function expectedPage(walk: Walk, pageIndex: number, body: Json, bindings: Bindings): ExpectedPage {
  if (walk.kind !== 'versions' || !isObject(body)) return { body, isReordered: false }
  const all = walk.pages.flatMap((page) => listItems(page.responseBody))
  const inOurOrder = all.toSorted((left, right) => (ourVersion(left, bindings) < ourVersion(right, bindings) ? -1 : 1))
  const start = walk.pages.slice(0, pageIndex).reduce((sum, page) => sum + listItems(page.responseBody).length, 0)
  // The items come from all pages as recorded; what a rule rewrote in this one (its recovery level) goes for them too.
  const rewritten = listItems(body)
  const level = member(rewritten[0], 'attributes', 'recoveryLevel')
  const value = inOurOrder.slice(start, start + rewritten.length).map((item) => withLevel(item, level))
  return { body: { ...body, value }, isReordered: JSON.stringify(value) !== JSON.stringify(rewritten) }
}

function withLevel(item: Json, level: Json | undefined): Json {
  const attributes = member(item, 'attributes')
  if (!isObject(item) || !isObject(attributes) || level === undefined) return item
  return { ...item, attributes: { ...attributes, recoveryLevel: level } }
}

function ourVersion(item: Json, bindings: Bindings): string {
  const recorded = versionIn(text(member(item, 'id')))
  return (recorded === undefined ? undefined : bindings.version(recorded)) ?? ''
}

export interface MergedWalk {
  readonly differences: readonly Difference[]
  /** Both lists whole, for comparing their times. */
  readonly recorded: Json
  readonly ours: Json
}

/**
 * Reads our list to its end and compares it with all recorded pages put together. Where the recording stopped before
 * the end, ours has to start with what it showed.
 */
export async function followMergedWalk(
  walk: Walk,
  managedNames: ReadonlySet<string>,
  expected: Expectation,
  bindings: Bindings,
  firstPath: string,
  send: (path: string) => Promise<Answer>,
): Promise<MergedWalk> {
  const first = await send(firstPath)
  if (first.status !== expected.status) {
    const got = `${first.status} ${shown(first.text)}`
    return {
      differences: [{ kind: 'status', where: 'status', expected: `${expected.status}`, got }],
      recorded: null,
      ours: null,
    }
  }
  const differences = compareEnvelope(expected, first, bindings)
  const pages = [first]
  const linkForm = walk.pages
    .map((page) => text(member(page.responseBody, 'nextLink')))
    .find((link) => link !== undefined)
  for (let link = text(member(first.body, 'nextLink')); link !== undefined && pages.length < PAGES_AT_MOST; ) {
    if (linkForm !== undefined && !isSameNextLink(bindings.translate(linkForm), link)) {
      differences.push({ kind: 'next-link', where: '$.nextLink', expected: bindings.translate(linkForm), got: link })
    }
    const url = new URL(link)
    const page = await send(url.pathname + url.search)
    pages.push(page)
    link = text(member(page.body, 'nextLink'))
  }
  for (const page of pages) {
    const names = isObject(page.body) ? Object.keys(page.body).join() : ''
    if (names === 'value,nextLink') continue
    differences.push({ kind: 'member-order', where: '$', expected: 'value,nextLink', got: names })
  }
  const recordedItems = walk.pages
    .flatMap((page) => listItems(page.responseBody))
    .filter((item) => !managedNames.has(itemName(item).toLowerCase()))
  const ourItems = pages.flatMap((page) => listItems(page.body))
  const isFinished = member(walk.pages.at(-1)?.responseBody, 'nextLink') === null
  const recorded = { value: recordedItems }
  const ours = { value: isFinished ? ourItems : ourItems.slice(0, recordedItems.length) }
  differences.push(...compareJson(recorded, ours, { bindings, isBackup: false }))
  return { differences, recorded, ours }
}
