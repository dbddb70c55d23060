/**
 * Times cannot be equal, but they must hang together as recorded: what was made and last changed at one moment still
 * is, a time that did not move between two recorded answers does not move between ours, and a purge is scheduled
 * exactly as long after the deletion.
 */

import type { Difference } from './differences.ts'
import { type Json, member } from './recordings.ts'

/** Clocks of the two processes may straddle a second. */
const TOLERANCE_SECONDS = 2

interface Seen {
  readonly recorded: number
  readonly ours: number
}

export class RecordedTimes {
  readonly #seen = new Map<string, Seen>()
  readonly #startedUnixSeconds: number

  constructor(startedUnixSeconds: number) {
    this.#startedUnixSeconds = startedUnixSeconds
  }

  /**
   * Compares the times of one object, known by its name and recorded version. `isNewVersion` marks the answer that made
   * it, `isChanged` one that changed its attributes.
   */
  check(
    recorded: Json,
    ours: Json,
    about: { name: string; version: string; where: string; isNewVersion: boolean; isChanged: boolean },
    nowUnixSeconds: number,
  ): Difference[] {
    const found: Difference[] = []
    const differ = (member_: string, expected: string, got: string) => {
      found.push({ kind: 'time', where: `${about.where}.${member_}`, expected, got })
    }
    const object = `${about.name.toLowerCase()} ${about.version}`
    const created = this.#pair(recorded, ours, 'attributes', 'created')
    const updated = this.#pair(recorded, ours, 'attributes', 'updated')
    if (created && updated && about.isNewVersion) {
      if (created.recorded === updated.recorded && created.ours !== updated.ours) {
        differ('attributes.updated', 'the same as created', `${updated.ours - created.ours} s later`)
      }
      if (!this.#isPlausible(created.ours, nowUnixSeconds)) {
        differ('attributes.created', 'about now', `${created.ours - nowUnixSeconds} s from now`)
      }
    }
    this.#mustStay(`${object} created`, created, (got) => differ('attributes.created', 'as before', got))
    if (about.isChanged && updated && created) {
      if (updated.ours < created.ours) differ('attributes.updated', 'not before created', `${updated.ours}`)
      this.#seen.set(`${object} updated`, updated)
    } else {
      this.#mustStay(`${object} updated`, updated, (got) => differ('attributes.updated', 'as before', got))
    }
    const deleted = this.#pair(recorded, ours, 'deletedDate')
    const purged = this.#pair(recorded, ours, 'scheduledPurgeDate')
    this.#mustStay(`${about.name.toLowerCase()} deletedDate`, deleted, (got) => differ('deletedDate', 'as before', got))
    if (deleted && purged && purged.recorded - deleted.recorded !== purged.ours - deleted.ours) {
      const expected = `deletedDate + ${purged.recorded - deleted.recorded}`
      differ('scheduledPurgeDate', expected, `deletedDate + ${purged.ours - deleted.ours}`)
    }
    if (deleted && !this.#isPlausible(deleted.ours, nowUnixSeconds)) {
      differ('deletedDate', 'about now', `${deleted.ours - nowUnixSeconds} s from now`)
    }
    return found
  }

  #pair(recorded: Json, ours: Json, ...names: readonly string[]): Seen | undefined {
    const then = member(recorded, ...names)
    const now = member(ours, ...names)
    return typeof then === 'number' && typeof now === 'number' ? { recorded: then, ours: now } : undefined
  }

  /** A time recorded as unmoved must not have moved here; one recorded as moved is learnt anew. */
  #mustStay(key: string, pair: Seen | undefined, differ: (got: string) => void): void {
    if (!pair) return
    const before = this.#seen.get(key)
    if (before?.recorded !== pair.recorded) this.#seen.set(key, pair)
    else if (before.ours !== pair.ours) differ(`moved by ${pair.ours - before.ours} s`)
  }

  #isPlausible(ours: number, nowUnixSeconds: number): boolean {
    return ours >= this.#startedUnixSeconds - TOLERANCE_SECONDS && ours <= nowUnixSeconds + TOLERANCE_SECONDS
  }
}
