/**
 * What a client of the kill test believes of one secret: a tiny model that says what each acknowledged request did, and
 * what one that got no answer may have done.
 */
export interface Version {
  readonly value: string
  /** A tag, which updates change. */
  readonly note: string
}

export type SecretState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'live' | 'deleted'
      readonly current: string
      readonly versions: ReadonlyMap<string, Version>
    }

/** Requests that change something. */
export type Change =
  | { readonly kind: 'set'; readonly version: Version }
  | { readonly kind: 'update'; readonly id: string; readonly note: string }
  | { readonly kind: 'delete' | 'recover' | 'purge' }
  | { readonly kind: 'restore'; readonly backup: SecretState }

export const NONE: SecretState = { kind: 'none' }

/** Stands for the id that the server gave to a version, where no answer told it. */
const UNTOLD = 'untold'

/** What a change makes of a state it is possible in; `id` is the new version's where the answer told it. */
export function changed(state: SecretState, change: Change, id = UNTOLD): SecretState {
  switch (change.kind) {
    case 'set': {
      const versions = state.kind === 'none' ? [] : state.versions
      return { kind: 'live', current: id, versions: new Map([...versions, [id, change.version]]) }
    }
    case 'update': {
      if (state.kind !== 'live') return state
      const old = state.versions.get(change.id)
      if (old === undefined) return state
      return { ...state, versions: new Map([...state.versions, [change.id, { ...old, note: change.note }]]) }
    }
    case 'delete':
      return state.kind === 'none' ? state : { ...state, kind: 'deleted' }
    case 'recover':
      return state.kind === 'none' ? state : { ...state, kind: 'live' }
    case 'purge':
      return NONE
    case 'restore':
      return change.backup
  }
}

/** Whether the server's state is this one; a version whose id nobody was told matches any that is new. */
export function isSame(expected: SecretState, found: SecretState): boolean {
  if (expected.kind === 'none' || found.kind === 'none') return expected.kind === found.kind
  if (expected.kind !== found.kind || expected.versions.size !== found.versions.size) return false
  const untold = [...found.versions.keys()].find((id) => !expected.versions.has(id))
  for (const [id, version] of expected.versions) {
    const match = found.versions.get(id === UNTOLD ? (untold ?? '') : id)
    if (match === undefined || match.value !== version.value || match.note !== version.note) return false
  }
  return found.current === (expected.current === UNTOLD ? untold : expected.current)
}

/** For the report of a violation; values are long, so their beginning has to do. */
export function describeState(state: SecretState): string {
  if (state.kind === 'none') return 'none'
  const versions = [...state.versions].map(([id, { value, note }]) => `${id}=${value.slice(0, 24)}/${note}`)
  return `${state.kind}, current ${state.current}: ${versions.join(' ')}`
}
