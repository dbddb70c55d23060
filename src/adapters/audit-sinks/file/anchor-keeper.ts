/**
 * Tells the anchor store now and then how far the stream has come, off the request path. Without it, cutting off the
 * last lines of the newest file could not be seen.
 */
import type { AuditAnchor, AuditAnchors } from '../../../domain/audit/audit-anchors.ts'
import type { Clock } from '../../../ports/clock.ts'

export interface AnchorKeeperOptions {
  readonly stream: string
  readonly anchors: Pick<AuditAnchors, 'write'>
  readonly clock: Clock
  readonly anchorAfterRecords: number
  readonly anchorAfterSeconds: number
  /** What the store knows already. */
  readonly anchoredSequence: number
  /** An anchor must never be ahead of what survives a power cut, so this comes first. */
  makeDurable(): Promise<void>
  onProblem(problem: Error): void
}

export class AnchorKeeper {
  readonly #options: AnchorKeeperOptions
  #end: AuditAnchor
  #anchoredSequence: number
  #running: Promise<void> | undefined
  #callOff: (() => void) | undefined
  #isDueAgain = false
  /** After a failure only the timer tries again, not every batch. */
  #hasFailed = false

  constructor(end: AuditAnchor, options: AnchorKeeperOptions) {
    this.#options = options
    this.#end = { sequence: end.sequence, mac: end.mac }
    this.#anchoredSequence = options.anchoredSequence
    if (end.sequence > this.#anchoredSequence) this.#startTimer()
  }

  /** The stream has come this far; `isDue` asks for an anchor at once. */
  advance(end: AuditAnchor, isDue: boolean): void {
    this.#end = end
    if (this.#running !== undefined) {
      this.#isDueAgain ||= isDue
      return
    }
    const isManyRecords = end.sequence - this.#anchoredSequence >= this.#options.anchorAfterRecords
    if (isDue || (isManyRecords && !this.#hasFailed)) this.#start()
    else this.#startTimer()
  }

  /** Waits for the anchor being written and lets no timer begin another. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
    this.#stopTimer()
  }

  /** Writes the last anchor. A failure is a problem told, not thrown. */
  async close(): Promise<void> {
    await this.settle()
    if (this.#end.sequence > this.#anchoredSequence) await this.#write()
  }

  readonly #start = (): void => {
    this.#stopTimer()
    this.#running = this.#write().then(() => {
      this.#running = undefined
      const isDue = this.#isDueAgain
      this.#isDueAgain = false
      if (this.#end.sequence > this.#anchoredSequence) this.advance(this.#end, isDue)
    })
  }

  async #write(): Promise<void> {
    const { stream, anchors, makeDurable, onProblem } = this.#options
    const end = this.#end
    try {
      await makeDurable()
      await anchors.write(stream, end)
      this.#anchoredSequence = end.sequence
      this.#hasFailed = false
    } catch (cause) {
      this.#hasFailed = true
      onProblem(new Error(`keeping an anchor of the audit stream '${stream}' at record ${end.sequence}`, { cause }))
    }
  }

  #startTimer(): void {
    this.#callOff ??= this.#options.clock.after(this.#options.anchorAfterSeconds * 1000, this.#start)
  }

  #stopTimer(): void {
    this.#callOff?.()
    this.#callOff = undefined
  }
}
