// Runs a README snippet as it stands: VAULT_URL and the mode's variables in, one line `hello <id>` out.
import { join } from 'node:path'
import { run } from './child.mjs'
import { namesMode, plainEnvironment, proxyMode } from './surroundings.mjs'

/**
 * Runs the snippet in names and in proxy mode. `commandFor(mode)` answers its `[command, args, extraEnv]`. Counts one
 * test per mode.
 */
export async function runFirstSecret(context, label, commandFor) {
  const { base, hostNames } = context
  const outcome = { passed: 0, failed: 0, skipped: 0, notes: [] }
  for (const [mode, wrap] of [
    [{ ...namesMode(base), ...hostNames.env }, hostNames.wrap],
    [proxyMode(base), (command, args) => [command, args]],
  ]) {
    const [command, args, extraEnv = {}] = commandFor(mode)
    const env = { ...plainEnvironment(), ...mode, VAULT_URL: mode.KEYHAVEN_VAULT_URL, ...extraEnv }
    const log = join(context.logFolder, `${label}-first-secret-${mode.KEYHAVEN_MODE}.log`)
    const { code, stdout, stderr } = await run(...wrap(command, args), { env, timeoutSeconds: 120, log })
    const isRight = code === 0 && stdout.startsWith(`hello ${mode.KEYHAVEN_VAULT_URL}/secrets/first-secret/`)
    outcome[isRight ? 'passed' : 'failed'] += 1
    const end = `${stdout} ${stderr}`.trim().replace(/\s+/g, ' ').slice(-600)
    if (!isRight) outcome.notes.push(`${label}: the README's first secret in ${mode.KEYHAVEN_MODE} mode: ${end}`)
  }
  context.say(`  ${label}, the README's first secret: ${outcome.passed} passed, ${outcome.failed} failed`)
  return outcome
}
