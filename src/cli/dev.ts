import { resolve } from 'node:path'
import { ensureDevelopment } from '../flows/development-start.ts'
import { listVaults } from '../flows/manage-vaults.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import { readyFacts } from './ready-facts.ts'
import { runServer } from './server-process.ts'
import { parseServerFlags, settingsHelp } from './setting-flags.ts'

const HELP = `Usage: keyhaven dev [OPTIONS]

Starts a development server on this machine. The first start makes a tenant, an app with a secret, a managed identity,
a vault named "dev" and a local CA; everything is kept in the data folder, so the next start prints the same.

  --json
      One line of JSON once it answers, instead of text.
${settingsHelp('development')}
`

export async function run(args: readonly string[]): Promise<number> {
  const { settings, json, help } = parseServerFlags('development', args)
  if (help) {
    process.stdout.write(HELP)
    return 0
  }
  const startedMs = performance.now()
  const vaultName = settings.defaultVault === '' ? 'dev' : settings.defaultVault
  const parts = { clock: systemClock, random: systemRandom }
  return runServer(settings, {
    mayCreate: true,
    async prepare(data) {
      await ensureDevelopment({ ...parts, installation: data.installation, keyrings: data.keyrings }, vaultName)
    },
    async onReady(facts, { installation, keyrings }) {
      const development = await ensureDevelopment({ ...parts, installation, keyrings }, vaultName)
      const addresses = readyFacts(facts, await listVaults(installation))
      const ready = {
        ready: true,
        dataFolder: resolve(settings.dataFolder),
        httpsPort: facts.httpsPort,
        proxyPort: facts.proxyPort,
        managedIdentityPort: facts.managedIdentityPort,
        metricsPort: facts.metricsPort,
        ...addresses,
        tenantId: development.facts.tenantId,
        subscriptionId: development.facts.subscriptionId,
        clientId: development.facts.clientId,
        clientSecret: development.secrets.clientSecret,
        principalId: development.facts.principalId,
        identityHeader: development.secrets.identityHeader,
      }
      if (json) process.stdout.write(`${JSON.stringify(ready)}\n`)
      else process.stdout.write(greeting(ready, settings.engine, Math.round(performance.now() - startedMs)))
    },
  })
}

interface Ready {
  readonly dataFolder: string
  readonly loginUrl: string
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly caFile?: string
  readonly caBundleFile?: string
  readonly proxyUrl?: string
  readonly defaultVaultUrl?: string
  readonly vaults: readonly { readonly name: string; readonly url: string; readonly realUrl: string }[]
}

function greeting(ready: Ready, engine: string, startMs: number): string {
  const runtime = process.env.KEYHAVEN_NODE_ORIGIN === 'bundled' ? 'bundled ' : ''
  const first = ready.vaults[0]
  return `Keyhaven answers (${startMs} ms, ${runtime}Node ${process.versions.node}, ${engine} in ${ready.dataFolder})

  vault      ${ready.vaults.map(({ url }) => url).join('\n             ')}
  log-in     ${ready.loginUrl}
  proxy      ${ready.proxyUrl ?? 'off'}     for ${first?.realUrl ?? 'https://NAME.vault.azure.net'} with the real names
  CA         ${ready.caFile ?? 'your own'}

Paste this for the official JavaScript and Python clients (sh). For Go, Java, the Azure CLI, curl and other shells:
"keyhaven env --client go", and so on; "keyhaven env --help" explains.

  export AZURE_AUTHORITY_HOST=${ready.loginUrl} AZURE_TENANT_ID=adfs
  export AZURE_CLIENT_ID=${ready.clientId} AZURE_CLIENT_SECRET='${ready.clientSecret}'
  export NODE_EXTRA_CA_CERTS='${ready.caFile ?? ''}' SSL_CERT_FILE='${ready.caBundleFile ?? ''}' REQUESTS_CA_BUNDLE='${ready.caBundleFile ?? ''}'
  export HTTPS_PROXY=${ready.proxyUrl ?? ''}   # finds the names above; other hosts only with --proxy-allow

A first secret, with curl:

  TOKEN=$(curl -s --cacert '${ready.caFile ?? ''}' ${ready.loginUrl}/${ready.tenantId}/oauth2/v2.0/token -d grant_type=client_credentials \\
    -d client_id=$AZURE_CLIENT_ID --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" -d scope=https://vault.azure.net/.default \\
    | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl --cacert '${ready.caFile ?? ''}' -X PUT "${ready.defaultVaultUrl ?? ''}/secrets/hello?api-version=7.4" \\
    -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"value":"world"}'

Stop with Ctrl-C. Everything is kept in ${ready.dataFolder}.
`
}
