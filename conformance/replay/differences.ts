/** One way in which an answer of ours is not what was recorded. */
export interface Difference {
  readonly kind: DifferenceKind
  /** A header's name or a path such as `$.attributes.updated`. */
  readonly where: string
  readonly expected: string
  readonly got: string
}

export type DifferenceKind =
  | 'unanswered'
  | 'status'
  | 'header-missing'
  | 'header-extra'
  | 'header-value'
  | 'content-length'
  | 'json-form'
  | 'error-code'
  | 'error-message'
  | 'member-missing'
  | 'member-extra'
  | 'member-order'
  | 'type'
  | 'value'
  | 'id'
  | 'time'
  | 'list-length'
  | 'next-link'
  | 'backup-blob'
  | 'state'

const SHOWN_CHARACTERS = 240

/** A value as it is shown in a report: short, and never with line ends in it. */
export function shown(value: unknown): string {
  const written = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  const oneLine = written.replaceAll('\r', String.raw`\r`).replaceAll('\n', String.raw`\n`)
  return oneLine.length > SHOWN_CHARACTERS ? `${oneLine.slice(0, SHOWN_CHARACTERS)}…` : oneLine
}
