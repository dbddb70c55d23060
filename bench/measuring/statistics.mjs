// Summaries. Medians with their whole range and count, because a mean hides what a shared machine does to a run.

export function summarize(values) {
  if (values.length === 0) throw new Error('nothing was measured')
  const sorted = values.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), min: sorted[0], max: sorted.at(-1), count: sorted.length }
}

/** `sorted` ascending; between two values the quantile is interpolated. */
export function quantile(sorted, share) {
  const position = (sorted.length - 1) * share
  const below = Math.floor(position)
  const lower = sorted[below]
  const upper = sorted[Math.min(below + 1, sorted.length - 1)]
  return lower + (upper - lower) * (position - below)
}

/**
 * The ratios of rounds that ran next to each other. Their median is steadier than the ratio of the medians, since the
 * machine's own speed drifts over minutes and cancels out within a pair.
 */
export function pairedRatios(numerators, denominators) {
  if (numerators.length !== denominators.length) throw new Error('rounds do not pair up')
  return numerators.map((value, round) => value / denominators[round])
}

/** `12.3k [11.8k-12.9k] n=5` */
export function formatSummary({ median, min, max, count }, format = formatNumber) {
  return `${format(median)} [${format(min)}-${format(max)}] n=${count}`
}

/** Three significant digits, thousands as `k`. */
export function formatNumber(value) {
  if (Math.abs(value) >= 10_000) return `${(value / 1000).toFixed(1)}k`
  if (Math.abs(value) >= 100) return value.toFixed(0)
  if (Math.abs(value) >= 10) return value.toFixed(1)
  return value.toFixed(2)
}
