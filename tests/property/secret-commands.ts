/** Random requests on secrets: over few names, so that they meet each other, and with few kinds of content. */
import fc from 'fast-check'

export const COMMAND_KINDS = [
  'set',
  'get',
  'update',
  'list',
  'listVersions',
  'delete',
  'getDeleted',
  'listDeleted',
  'recover',
  'purge',
  'backup',
  'restore',
] as const

/** Members of a set or an update but the value. */
export interface Details {
  readonly contentType?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly enabled?: boolean
  readonly nbf?: number
  readonly exp?: number
}

export interface Command {
  readonly kind: (typeof COMMAND_KINDS)[number]
  readonly vault: number
  readonly name: string
  readonly value: string
  readonly details: Details
  /** Counts back from the youngest version there is; undefined asks for the current one. */
  readonly version: number | undefined
  readonly backup: number
  /** Page size of a list; undefined asks for the largest. */
  readonly pageSize: number | undefined
}

export interface Move {
  readonly kind: 'move'
  readonly milliseconds: number
}

export type Step = Command | Move

/** In two cases of the same names, and one that begins like another. */
const NAMES = ['a', 'A', 'ab', 'a-b']

const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 1 })

const details: fc.Arbitrary<Details> = fc.record(
  {
    contentType: fc.constantFrom('', 'text/plain'),
    tags: fc.dictionary(fc.constantFrom('t', '__proto__', 'T'), fc.constantFrom('', 'x'), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    enabled: fc.boolean(),
    nbf: fc.constantFrom(0, 4_000_000_000),
    exp: fc.constantFrom(1, 4_000_000_000),
  },
  { requiredKeys: [] },
)

/** Changes of state come more often than questions about it. */
const kind = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Command['kind']>('set') },
  { weight: 4, arbitrary: fc.constantFrom<Command['kind'][]>('delete', 'recover', 'purge', 'update') },
  { weight: 5, arbitrary: fc.constantFrom<Command['kind'][]>(...COMMAND_KINDS) },
)

export const command: fc.Arbitrary<Command> = fc.record({
  kind,
  vault: fc.nat({ max: 1 }),
  name: fc.constantFrom(...NAMES),
  value: fc.constantFrom('', 'v', 'w'.repeat(40), '\u{1F511}'),
  details: fc.oneof(fc.constant({}), details),
  version: rarely(fc.nat({ max: 6 })),
  backup: fc.nat({ max: 3 }),
  pageSize: rarely(fc.integer({ min: 1, max: 3 })),
})

const DAY_MS = 86_400_000

const move: fc.Arbitrary<Move> = fc
  .constantFrom(500, 1_000, 4_500, 30_000, 60_000, DAY_MS, 6 * DAY_MS, 7 * DAY_MS, 7 * DAY_MS - 60_000)
  .map((milliseconds) => ({ kind: 'move', milliseconds }))

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof({ weight: 7, arbitrary: command }, { weight: 1, arbitrary: move }),
  { minLength: 5, maxLength: 40, size: 'max' },
)
