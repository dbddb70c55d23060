/** What a replay would do, told from the recordings alone. */
import type { Plan, Step } from './plan.ts'
import { todaysAnswer } from './rules.ts'

export function renderOffline(
  plans: readonly Plan[],
  options: { isVerbose: boolean; exchangesElsewhere: number },
): string {
  const steps = plans.flatMap(({ steps: all }) => all)
  const inBetween = steps.reduce((sum, step) => sum + step.inBetween.length, 0)
  const outOfScope = plans.reduce((sum, plan) => sum + plan.outOfScope.length, options.exchangesElsewhere)
  const notPlayed = plans.flatMap((plan) => plan.notPlayed)
  const lines = [
    `${plans.length} recordings, ${steps.length} exchanges to play and compare`,
    `${inBetween} answers from before a deletion had finished, read as one with the settled answer`,
    `${notPlayed.length} exchanges about secrets that cannot be played, ${outOfScope} exchanges about something else`,
    `${steps.filter((step) => step.isBodyRebuilt).length} request bodies the recorder left out, read off the answers`,
    '',
    'by operation and status:',
    ...counted(steps.map((step) => `${operationOf(step)} -> ${step.exchange.status}`)),
    '',
    'vaults needed:',
    ...counted(
      plans.map(({ vault }) => {
        const softDelete = vault.hasSoftDelete ? `soft delete, ${vault.retentionDays} days` : 'no soft delete'
        const access = vault.usesRbac ? 'role-based' : 'access policies'
        return `${softDelete}, ${access}${vault.hasPurgeProtection ? ', purge protection' : ''}`
      }),
    ),
    '',
    'rules that rewrite recorded answers:',
    ...counted(
      plans.flatMap(({ recording, vault, steps: played }) =>
        played.flatMap(
          ({ exchange, target }) => todaysAnswer({ exchange, target, vault, source: recording.source }).applied,
        ),
      ),
    ),
    '',
    'secrets to set beforehand:',
    ...plans.flatMap(({ recording, seeds }) =>
      seeds.map(({ name, state }) => `  ${recording.name}: ${name} (${state})`),
    ),
  ]
  for (const plan of plans) {
    for (const { exchange, reason } of plan.notPlayed) {
      lines.push(`  not played: ${plan.recording.name} ${exchange.n}: ${reason}`)
    }
    if (options.isVerbose)
      lines.push(`  ${`${plan.steps.length}`.padStart(4)}  ${plan.recording.folder}/${plan.recording.name}`)
  }
  return lines.join('\n')
}

function operationOf({ exchange, target }: Step): string {
  const name = target.name === undefined ? '' : '/NAME'
  const version = target.version === undefined ? '' : '/VERSION'
  const action = target.action === undefined ? '' : `/${target.action}`
  return `${exchange.method} /${target.area}${name}${version}${action}`
}

function counted(keys: readonly string[]): string[] {
  const groups = Map.groupBy(keys, (key) => key)
  return [...groups]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, members]) => `  ${`${members.length}`.padStart(5)}  ${key}`)
}
