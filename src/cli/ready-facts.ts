import type { Vault } from '../domain/vaults/vault.ts'
import { hostNames } from '../http/host-names.ts'
import type { ServerFacts } from './server-process.ts'

/** The addresses of a running server, as `--json` prints them and `env` uses them (docs/start-up-contract.md). */
export function readyFacts(server: ServerFacts, vaults: readonly Vault[]) {
  const { domain, defaultVault, httpsPort, proxyPort, managedIdentityPort, caFile, caBundleFile } = server
  const names = hostNames({ domain, defaultVault: defaultVault === '' ? undefined : defaultVault, port: httpsPort })
  const portText = httpsPort === 443 ? '' : `:${httpsPort}`
  return {
    loginUrl: names.loginUrl,
    managementUrl: names.managementUrl,
    ...(defaultVault === '' ? {} : { defaultVaultUrl: `https://localhost${portText}` }),
    ...(proxyPort === undefined ? {} : { proxyUrl: `http://127.0.0.1:${proxyPort}` }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(caBundleFile === undefined ? {} : { caBundleFile }),
    vaults: vaults.map(({ name }) => ({
      name,
      url: names.vaultUrl(name.toLowerCase()),
      realUrl: `https://${name.toLowerCase()}.vault.azure.net`,
    })),
    ...(managedIdentityPort === undefined
      ? {}
      : { identityEndpoint: `http://127.0.0.1:${managedIdentityPort}/msi/token` }),
  }
}
