// What a suite reports, and how several parts of one become one.

/** Adds up outcomes of the form `{ passed, failed, skipped, notes }`. */
export function sumOutcomes(outcomes) {
  return outcomes.reduce(
    (sum, outcome) => ({
      passed: sum.passed + outcome.passed,
      failed: sum.failed + outcome.failed,
      skipped: sum.skipped + outcome.skipped,
      notes: [...sum.notes, ...outcome.notes],
    }),
    { passed: 0, failed: 0, skipped: 0, notes: [] },
  )
}
