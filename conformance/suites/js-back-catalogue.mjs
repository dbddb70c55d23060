// One release of @azure/keyvault-secrets per api-version it introduced, so that every version Keyhaven answers is
// asked for by the client that was published for it. Through the proxy, with the real vault name.
import { fileURLToPath } from 'node:url'
import { runNodeTests } from '../harness/node-tests.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { plainEnvironment, proxyMode } from '../harness/surroundings.mjs'
import { missingJavaScriptClients } from './js.mjs'

const file = fileURLToPath(new URL('../clients/js/back-catalogue.test.mjs', import.meta.url))

/** Release line and the api-version it sends. */
const releases = [
  ['4.1', '7.1'],
  ['4.2', '7.2'],
  ['4.4', '7.3'],
  ['4.7', '7.4'],
  ['4.8', '7.5'],
  ['4.9', '7.5'],
  ['4.10', '7.6'],
  ['4.11', '2025-07-01'],
]

export const suite = {
  proves: 'JavaScript SDK releases from 2020 on, api-versions 7.1 to 2025-07-01, seen on the wire',
  missing: () => missingJavaScriptClients(),
  async run(context) {
    const outcomes = []
    for (const [release, apiVersion] of releases) {
      const label = `js-${release}`
      const env = { ...plainEnvironment(), ...proxyMode(context.base), KEYHAVEN_MODE: label.replace('.', '-') }
      const expected = { KEYHAVEN_RELEASE: `keyvault-secrets-${release}`, KEYHAVEN_API_VERSION: apiVersion }
      outcomes.push(await runNodeTests(context, { file, env: { ...env, ...expected }, label }))
      const { passed, failed } = outcomes.at(-1)
      context.say(`  ${label} (${apiVersion}): ${passed} passed, ${failed} failed`)
    }
    return sumOutcomes(outcomes)
  },
}
