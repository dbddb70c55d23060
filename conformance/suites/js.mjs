// The newest @azure/keyvault-secrets and @azure/identity on this Node, in all four ways a user can point them here.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runFirstSecret } from '../harness/first-secret.mjs'
import { runNodeTests } from '../harness/node-tests.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { localhostMode, managedIdentityMode, namesMode, plainEnvironment, proxyMode } from '../harness/surroundings.mjs'

const file = fileURLToPath(new URL('../clients/js/secrets.test.mjs', import.meta.url))
const snippet = fileURLToPath(new URL('../clients/js/first-secret.mjs', import.meta.url))
const clientFolder = fileURLToPath(new URL('../node_modules/@azure/keyvault-secrets', import.meta.url))

export const suite = {
  proves: 'the newest JavaScript SDK, every operation, in names, proxy, localhost and managed identity mode',
  missing: () => missingJavaScriptClients(),
  async run(context) {
    const { base, hostNames } = context
    const modes = [
      { env: { ...namesMode(base), ...hostNames.env }, wrap: hostNames.wrap },
      { env: proxyMode(base) },
      { env: localhostMode(base) },
      { env: { ...managedIdentityMode(base), ...hostNames.env }, wrap: hostNames.wrap },
    ]
    const outcomes = []
    for (const { env, wrap } of modes) {
      const label = `js-${env.KEYHAVEN_MODE}`
      outcomes.push(await runNodeTests(context, { file, env: { ...plainEnvironment(), ...env }, label, wrap }))
      const { passed, failed } = outcomes.at(-1)
      context.say(`  ${label}: ${passed} passed, ${failed} failed`)
    }
    outcomes.push(await runFirstSecret(context, 'js', () => [process.execPath, [snippet]]))
    return sumOutcomes(outcomes)
  },
}

/** Why the JavaScript suites cannot run, or undefined. */
export function missingJavaScriptClients() {
  return existsSync(clientFolder) ? undefined : 'run "npm ci" in conformance/ first'
}
