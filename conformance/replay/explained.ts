/**
 * explained.json: why a recorded answer and ours may differ. `rules` give the reasons of everything that rewrites what
 * was recorded before it is compared; `exceptions` name differences that stay. Each points to its row in
 * docs/divergences.md, and each has to be of use: one that matches nothing any more is an error.
 */
import { readFileSync } from 'node:fs'
import type { Difference } from './differences.ts'
import { isArray, type Json, member, text } from './recordings.ts'

export interface ExplainedRule {
  readonly id: string
  readonly reason: string
  readonly divergence: string
}

export interface Exception {
  readonly id: string
  /** Recordings it is for: `folder/name`, with `*` for any characters. */
  readonly recordings: string
  /** Numbers of exchanges; all of them where left out. */
  readonly exchanges?: readonly number[]
  readonly kind: string
  /** The header or path, with `*` for any characters. */
  readonly where: string
  readonly reason: string
  readonly divergence: string
}

export interface Explanations {
  readonly rules: readonly ExplainedRule[]
  readonly exceptions: readonly Exception[]
}

export function readExplanations(file: string): Explanations {
  const parsed: Json = JSON.parse(readFileSync(file, 'utf8'))
  return parseExplanations(parsed)
}

/** Throws when an entry lacks something, so that none is without its reason. */
export function parseExplanations(parsed: Json): Explanations {
  const list = (name: string): readonly Json[] => {
    const entries = member(parsed, name)
    return isArray(entries) ? entries : []
  }
  return {
    rules: list('rules').map((entry) => ({
      id: needed(entry, 'id'),
      reason: needed(entry, 'reason'),
      divergence: needed(entry, 'divergence'),
    })),
    exceptions: list('exceptions').map((entry) => {
      const exchanges = member(entry, 'exchanges')
      return {
        id: needed(entry, 'id'),
        recordings: needed(entry, 'recordings'),
        kind: needed(entry, 'kind'),
        where: needed(entry, 'where'),
        reason: needed(entry, 'reason'),
        divergence: needed(entry, 'divergence'),
        ...(isArray(exchanges) ? { exchanges: exchanges.map(Number) } : {}),
      }
    }),
  }
}

function needed(entry: Json, name: string): string {
  const value = text(member(entry, name))
  if (value === undefined || value === '')
    throw new Error(`an entry of explained.json has no ${name}: ${JSON.stringify(entry)}`)
  return value
}

/** The exception that covers this difference, if there is one. */
export function exceptionFor(
  explanations: Explanations,
  difference: Difference,
  at: { recording: string; n: number },
): Exception | undefined {
  return explanations.exceptions.find(
    (exception) =>
      exception.kind === difference.kind &&
      matches(exception.recordings, at.recording) &&
      matches(exception.where, difference.where) &&
      (exception.exchanges === undefined || exception.exchanges.includes(at.n)),
  )
}

function matches(pattern: string, value: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`).test(value)
}

/**
 * What is wrong with the explanations themselves: rules without a reason, entries that explained nothing in a complete
 * run, links to rows that docs/divergences.md does not have.
 */
export function complaints(
  explanations: Explanations,
  used: { rules: ReadonlySet<string>; exceptions: ReadonlySet<string> },
  options: { isCompleteRun: boolean; divergences: string },
): string[] {
  const found: string[] = []
  const known = new Set(explanations.rules.map(({ id }) => id))
  for (const id of used.rules) if (!known.has(id)) found.push(`the rule ${id} has no entry in explained.json`)
  for (const { id, divergence } of [...explanations.rules, ...explanations.exceptions]) {
    const row = divergence.match(/^docs\/divergences\.md#(.+)$/)?.[1]
    if (row === undefined || !options.divergences.includes(`| \`${row}\` |`)) {
      found.push(`${id} points to ${divergence}, which docs/divergences.md does not have`)
    }
  }
  if (!options.isCompleteRun) return found
  for (const { id } of explanations.rules) {
    if (!used.rules.has(id)) found.push(`the rule ${id} changed nothing in this run: remove it`)
  }
  for (const { id } of explanations.exceptions) {
    if (!used.exceptions.has(id)) found.push(`the exception ${id} explained nothing in this run: remove it`)
  }
  return found
}
