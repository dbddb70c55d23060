let cachedSecond = Number.NaN
let cachedText = ''

/**
 * The service's way to write a moment: UTC with seven decimals, `2016-01-05T01:32:01.2691226Z`.
 *
 * @param ms milliseconds since 1970, with a fraction where the clock has one; decimals beyond the seventh are dropped.
 * Throws RangeError for a time that is no date.
 */
export function formatAuditTime(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== cachedSecond) {
    // Records of one second share their first nineteen characters, and formatting a date is the costly part.
    cachedText = new Date(second * 1000).toISOString().slice(0, -4)
    cachedSecond = second
  }
  const wholeMs = Math.floor(ms)
  // The fraction is taken before scaling: today's milliseconds times 10 000 no longer fit a double exactly.
  const ticks = (wholeMs - second * 1000) * 10_000 + Math.floor((ms - wholeMs) * 10_000)
  return `${cachedText}${String(ticks).padStart(7, '0')}Z`
}
