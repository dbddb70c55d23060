// Results as a Markdown file that a reader can set beside an older one.
import { formatNumber, formatSummary } from './measuring/statistics.mjs'

/** Whether a ratio's median keeps its bound; undefined where none is set. */
export function isMet({ ratio, atLeast, atMost }) {
  if (atLeast !== undefined) return ratio.median >= atLeast
  if (atMost !== undefined) return ratio.median <= atMost
  return undefined
}

export function renderResults({ started, facts, options, results }) {
  return [
    `# Benchmarks of ${started.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    '',
    'Cells are median [min-max] n=rounds; what is compared ran in turn, round by round. How to read it: ../README.md.',
    '',
    table(
      ['fact', 'value'],
      [...Object.entries(facts), ...Object.entries(options)].map(([name, value]) => [name, String(value)]),
    ),
    ...results.flatMap((result) => ['', ...renderResult(result)]),
    '',
  ].join('\n')
}

export function renderResult({ title, about, columns, rows, verdicts, notes = [], refused }) {
  return [
    `## ${title}`,
    '',
    about,
    '',
    table(columns, rows),
    ...(verdicts.length === 0 ? [] : ['', table(['ratio', 'measured', 'wanted', 'met'], verdicts.map(verdictRow))]),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `- ${note}`)]),
    ...(Object.keys(refused).length === 0
      ? []
      : ['', `**Refused requests, by status: ${JSON.stringify(refused)}. These figures do not count.**`]),
  ]
}

function verdictRow(verdict) {
  const { what, ratio, atLeast, atMost } = verdict
  const met = isMet(verdict)
  return [
    what,
    formatSummary(ratio, (value) => value.toFixed(2)),
    atLeast !== undefined
      ? `at least ${formatNumber(atLeast)}`
      : atMost !== undefined
        ? `at most ${formatNumber(atMost)}`
        : '',
    met === undefined ? '' : met ? 'yes' : '**no**',
  ]
}

function table(columns, rows) {
  return [columns, columns.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
