/** `keyhaven audit verify` and `keyhaven audit tail`: is the audit log what was written, and what happened last? */
import { parseArgs } from 'node:util'
import type { AuditVerification } from '../domain/audit/audit-verification.ts'
import type { AuditRemark } from '../domain/audit/chain-check.ts'

export interface AuditCommandDependencies {
  /** Reads and checks everything. Throws when it cannot, for instance when the audit key cannot be opened. */
  verify(options: { readonly archivedThrough: ReadonlyMap<string, number> }): Promise<AuditVerification>
  /** The last records of all streams, oldest first, one line of JSON each. */
  tail(count: number): Promise<readonly string[]>
  readonly stdout: Output
  readonly stderr: Output
}

interface Output {
  write(text: string): unknown
}

const DEFAULT_TAIL_COUNT = 20

export const AUDIT_USAGE = `Usage: keyhaven audit verify [--json] [--archived STREAM=RECORD ...]
       keyhaven audit tail [-n COUNT]

  verify      reads every audit file and says whether a record was changed, removed, added or reordered
  --json      prints the result as one line of JSON
  --archived  records of this stream up to this number were taken out on purpose and are not missed
  tail        prints the last records of all streams
  -n COUNT    how many, ${DEFAULT_TAIL_COUNT} if not said

Exit code: 0 the log is intact, 1 something is wrong with it, 2 it could not be looked at.
`

const INTACT = 0
const FINDINGS = 1
const CANNOT_RUN = 2

/** Runs the command with what follows `audit` on the command line; answers the exit code and never throws. */
export async function runAuditCommand(
  args: readonly string[],
  dependencies: AuditCommandDependencies,
): Promise<number> {
  const [command, ...rest] = args
  try {
    switch (command) {
      case 'verify':
        return await runVerify(rest, dependencies)
      case 'tail':
        return await runTail(rest, dependencies)
      default:
        dependencies.stderr.write(AUDIT_USAGE)
        return CANNOT_RUN
    }
  } catch (error) {
    dependencies.stderr.write(`keyhaven audit: ${sentenceOf(error)}\n`)
    return CANNOT_RUN
  }
}

async function runVerify(args: readonly string[], { verify, stdout }: AuditCommandDependencies): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean' }, archived: { type: 'string', multiple: true } },
  })
  const verification = await verify({ archivedThrough: archivedRecords(values.archived ?? []) })
  if (values.json === true) stdout.write(`${JSON.stringify(verification)}\n`)
  else stdout.write(verificationText(verification))
  return verification.isIntact ? INTACT : FINDINGS
}

async function runTail(args: readonly string[], { tail, stdout }: AuditCommandDependencies): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { n: { type: 'string', short: 'n' } } })
  const count = values.n === undefined ? DEFAULT_TAIL_COUNT : wholeNumber(values.n, '-n')
  for (const line of await tail(count)) stdout.write(`${withoutControls(line)}\n`)
  return INTACT
}

function archivedRecords(options: readonly string[]): Map<string, number> {
  const archived = new Map<string, number>()
  for (const option of options) {
    const at = option.lastIndexOf('=')
    if (at < 1) throw new Error(`--archived takes STREAM=RECORD, not '${option}'`)
    archived.set(option.slice(0, at), wholeNumber(option.slice(at + 1), '--archived'))
  }
  return archived
}

function wholeNumber(text: string, option: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Error(`${option} takes a whole number, not '${text}'`)
  }
  return number
}

function verificationText(verification: AuditVerification): string {
  const { findings, findingsLeftOff, notes, notesLeftOff } = verification
  const lines: string[] = []
  for (const stream of verification.streams) {
    const verdict = stream.findings === 0 ? 'intact' : counted(stream.findings, 'finding')
    const anchored = stream.anchoredSequence === 0 ? 'no anchor' : `anchored up to ${stream.anchoredSequence}`
    lines.push(
      `${stream.stream}: ${verdict}; ${counted(stream.records, 'record')} in ${counted(stream.files, 'file')}, ` +
        `the last is ${stream.lastSequence}, ${anchored}`,
    )
  }
  lines.push(...remarkLines('Wrong', findings, findingsLeftOff), ...remarkLines('To know', notes, notesLeftOff))
  lines.push(
    verification.isIntact
      ? `The audit log is intact: ${counted(verification.records, 'record')}.`
      : `The audit log is NOT intact: ${counted(findings.length + findingsLeftOff, 'finding')}.`,
  )
  return `${lines.join('\n')}\n`
}

function remarkLines(title: string, remarks: readonly AuditRemark[], leftOff: number): string[] {
  if (remarks.length === 0) return []
  const lines = remarks.map(({ stream, file, line, sentence }) => {
    const place = [stream, ...(file === undefined ? [] : [`/${file}`]), ...(line === undefined ? [] : [`:${line}`])]
    return `  ${withoutControls(place.join(''))}  ${sentence}`
  })
  if (leftOff > 0) lines.push(`  … and ${leftOff} more`)
  return [`${title}:`, ...lines]
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A line that was tampered with, or the name of a strange file, must not drive the terminal it is shown on. */
function withoutControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // What is wrong with an option comes in several lines; the first says it.
  const [message = ''] = error.message.split('\n', 1)
  return error.cause === undefined ? message : `${message}: ${sentenceOf(error.cause)}`
}
