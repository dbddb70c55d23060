/** The outcome of a run: counted, checked against the explanations, and written for people and for machines. */

import type { Difference } from './differences.ts'
import { complaints, type Explanations, exceptionFor } from './explained.ts'
import type { Plan } from './plan.ts'
import type { StepResult } from './player.ts'

const NEEDED_AGREEMENT = 0.99

export interface Played {
  readonly plan: Plan
  readonly results: readonly StepResult[]
  /** Of answers from before a deletion had finished, played on a slow server; empty where none was started. */
  readonly inBetween: readonly StepResult[]
}

interface Finding extends Difference {
  readonly recording: string
  readonly n: number
  readonly operation: string
  /** Id of the exception that explains it. */
  readonly explainedBy?: string
}

interface Counts {
  compared: number
  /** No difference at all, nothing rewritten. */
  asRecorded: number
  /** No difference once the rules had rewritten what was recorded. */
  byRule: number
  /** Every difference is explained by an exception. */
  explained: number
  /** At least one difference is not explained. */
  differing: number
}

export interface Report {
  readonly total: Counts
  readonly recordings: readonly ({ recording: string; notPlayed: number } & Counts)[]
  readonly findings: readonly Finding[]
  readonly notPlayed: readonly { recording: string; n: number; reason: string }[]
  /** Exchanges about other things than secrets. */
  readonly outOfScope: number
  /** Answers from before a deletion had finished; compared apart, on a server that takes its time. */
  readonly inBetween: { readonly recorded: number; readonly compared: number }
  /** Later pages of lists that were compared as a whole, with their first page. */
  readonly mergedPages: number
  readonly rules: Readonly<Record<string, number>>
  readonly complaints: readonly string[]
  readonly agreement: number
  readonly hasPassed: boolean
}

export interface RunFacts {
  readonly explanations: Explanations
  /** The text of docs/divergences.md. */
  readonly divergences: string
  /** False when only some recordings were played, so that unused explanations say nothing. */
  readonly isCompleteRun: boolean
  /** Exchanges of recordings that have nothing about secrets in them. */
  readonly exchangesElsewhere: number
}

export function makeReport(played: readonly Played[], facts: RunFacts): Report {
  const total = emptyCounts()
  const findings: Finding[] = []
  const usedRules: Record<string, number> = {}
  const usedExceptions = new Set<string>()
  const recordings = played.map(({ plan, results, inBetween }) => {
    const counts = emptyCounts()
    const recording = `${plan.recording.folder}/${plan.recording.name}`
    for (const result of [...results, ...inBetween]) {
      for (const id of new Set(result.rules)) usedRules[id] = (usedRules[id] ?? 0) + 1
      if (result.isMerged) continue
      const { exchange } = result
      const operation = `${exchange.method} ${new URL(exchange.url).pathname}`
      const found = result.differences.map((difference): Finding => {
        const exception = exceptionFor(facts.explanations, difference, { recording, n: exchange.n })
        if (exception) usedExceptions.add(exception.id)
        return {
          ...difference,
          recording,
          n: exchange.n,
          operation,
          ...(exception ? { explainedBy: exception.id } : {}),
        }
      })
      findings.push(...found)
      const outcome = outcomeOf(result, found)
      for (const counted of [counts, total]) {
        counted.compared += 1
        counted[outcome] += 1
      }
    }
    return { recording, notPlayed: plan.notPlayed.length, ...counts }
  })
  const agreement = total.compared === 0 ? 1 : (total.asRecorded + total.byRule) / total.compared
  const wrong = complaints(
    facts.explanations,
    { rules: new Set(Object.keys(usedRules)), exceptions: usedExceptions },
    { isCompleteRun: facts.isCompleteRun, divergences: facts.divergences },
  )
  return {
    total,
    recordings,
    findings,
    notPlayed: played.flatMap(({ plan }) =>
      plan.notPlayed.map(({ exchange, reason }) => ({
        recording: `${plan.recording.folder}/${plan.recording.name}`,
        n: exchange.n,
        reason,
      })),
    ),
    outOfScope: played.reduce((sum, { plan }) => sum + plan.outOfScope.length, facts.exchangesElsewhere),
    inBetween: {
      recorded: played.flatMap(({ plan }) => plan.steps.flatMap((step) => step.inBetween)).length,
      compared: played.flatMap(({ inBetween }) => inBetween).length,
    },
    mergedPages: played.flatMap(({ results }) => results.filter(({ isMerged }) => isMerged)).length,
    rules: usedRules,
    complaints: wrong,
    agreement,
    hasPassed: agreement >= NEEDED_AGREEMENT && total.differing === 0 && wrong.length === 0,
  }
}

function outcomeOf(result: StepResult, found: readonly Finding[]): 'asRecorded' | 'byRule' | 'explained' | 'differing' {
  if (found.some(({ explainedBy }) => explainedBy === undefined)) return 'differing'
  if (found.length > 0) return 'explained'
  return result.rules.length > 0 ? 'byRule' : 'asRecorded'
}

function emptyCounts(): Counts {
  return { compared: 0, asRecorded: 0, byRule: 0, explained: 0, differing: 0 }
}

export function renderReport(report: Report, options: { isVerbose: boolean }): string {
  const lines: string[] = ['', 'agreed/compared  explained  differing  recording']
  for (const { recording, compared, asRecorded, byRule, explained, differing } of report.recordings) {
    const agreed = `${asRecorded + byRule}/${compared}`.padStart(15)
    lines.push(`${agreed}  ${`${explained}`.padStart(9)}  ${`${differing}`.padStart(9)}  ${recording}`)
  }
  const { total, inBetween, notPlayed, outOfScope } = report
  const agreed = total.asRecorded + total.byRule
  lines.push(
    '',
    `${agreed} of ${total.compared} compared exchanges agree: ${(report.agreement * 100).toFixed(2)} %`,
    `  ${total.asRecorded} exactly as recorded, ${total.byRule} after the rules of explained.json`,
    `  ${total.explained} differ for an explained reason, ${total.differing} differ without one`,
    `${inBetween.compared} of ${inBetween.recorded} from before a deletion had finished were compared on a slow server`,
    `${report.mergedPages} list pages were compared with the first page of their list, as one`,
    `${notPlayed.length} exchanges about secrets could not be played, ${outOfScope} are about something else`,
  )
  for (const { recording, n, reason } of notPlayed) lines.push(`  not played: ${recording} ${n}: ${reason}`)
  lines.push(...renderFindings(report.findings, options.isVerbose))
  if (options.isVerbose) {
    lines.push('', 'rules applied:')
    for (const [id, count] of Object.entries(report.rules)) lines.push(`  ${`${count}`.padStart(5)}  ${id}`)
  }
  for (const complaint of report.complaints) lines.push(`! ${complaint}`)
  return lines.join('\n')
}

/** Grouped by what differs; one example each, all of them when asked. */
function renderFindings(findings: readonly Finding[], isVerbose: boolean): string[] {
  const groups = Map.groupBy(findings, ({ kind, where, explainedBy, expected, got }) => {
    const place = where.replace(/\[\d+\]/g, '[]')
    const detail = kind.startsWith('header') || kind === 'error-code' ? ` ${expected} -> ${got}` : ''
    return `${explainedBy === undefined ? 'NOT EXPLAINED' : `explained by ${explainedBy}`}: ${kind} ${place}${detail}`
  })
  const lines: string[] = []
  for (const [title, members] of [...groups].sort(([, left], [, right]) => right.length - left.length)) {
    lines.push('', `${title} (${members.length})`)
    for (const found of isVerbose ? members : members.slice(0, 1)) {
      lines.push(`  ${found.recording} ${found.n} ${found.operation}`)
      lines.push(`    expected ${found.expected}`, `    got      ${found.got}`)
    }
  }
  return lines
}
