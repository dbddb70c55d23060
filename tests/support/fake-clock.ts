import type { Clock } from '../../src/ports/clock.ts'

/** A clock that stands still until a test moves it; timers that become due run then, in their order. */
export interface FakeClock extends Clock {
  advance(milliseconds: number): void
  /** Whether somebody waits for a timer that was set with exactly this delay. */
  isAwaited(delayMs: number): boolean
}

export function createFakeClock(startMs = Date.UTC(2026, 0, 15, 12, 0, 0)): FakeClock {
  let nowMs = startMs
  let timers: { readonly dueMs: number; readonly delayMs: number; readonly callback: () => void }[] = []
  return {
    nowMs: () => nowMs,
    after(delayMs, callback) {
      const timer = { dueMs: nowMs + delayMs, delayMs, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance(milliseconds) {
      nowMs += milliseconds
      const due = timers.filter(({ dueMs }) => dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs)
      timers = timers.filter(({ dueMs }) => dueMs > nowMs)
      for (const { callback } of due) callback()
    },
    isAwaited: (delayMs) => timers.some((timer) => timer.delayMs === delayMs),
  }
}
