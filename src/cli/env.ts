/**
 * `keyhaven env`: the environment variables that let an unmodified client find this server, trust it and log in. Which
 * ones depends on how the client reaches it, the mode: by the names of the server's domain, through the CONNECT proxy
 * under the real service's names, or by a bare `localhost`.
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Assignment, SHELLS, type Shell, shellComment, shellLine } from '../formats/shell-assignments.ts'
import { javaToolOptions, javaTrustOptions } from './trust.ts'

/** What a started server says of itself (docs/start-up-contract.md); `serve` leaves out what it did not make. */
export interface ClientState {
  readonly dataFolder: string
  readonly loginUrl: string
  readonly managementUrl: string
  readonly defaultVaultUrl?: string
  readonly proxyUrl?: string
  /** Missing where the server has a certificate of the operator's own. */
  readonly caFile?: string
  readonly caBundleFile?: string
  readonly vaults?: readonly { readonly name: string; readonly url: string; readonly realUrl: string }[]
  readonly tenantId?: string
  readonly clientId?: string
  readonly clientSecret?: string
  readonly identityEndpoint?: string
  readonly identityHeader?: string
}

export interface EnvCommandDependencies {
  /** Reads the state; asked only when something is printed from it. */
  state(): Promise<ClientState>
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

const MODES = ['names', 'proxy', 'localhost'] as const
const CLIENTS = ['all', 'js', 'python', 'go', 'java', 'az', 'curl'] as const
const CREDENTIALS = ['client-secret', 'managed-identity'] as const
type Mode = (typeof MODES)[number]
type Client = (typeof CLIENTS)[number]
type Credentials = (typeof CREDENTIALS)[number]

const USAGE_ERROR = 2
const DONE = 0
const SERVICES = ['login', 'management', 'graph', 'metadata']
const LOOPBACK = '127.0.0.1'
const NODE_TRUST = 'NODE_EXTRA_CA_CERTS'
/** The word that keeps identity libraries from asking the public cloud whether they may trust a log-in host. */
const TENANT_WITHOUT_DISCOVERY = 'adfs'
/** Their libraries take that word, and then refuse every challenge because it names a tenant. */
const CLIENTS_AGAINST_IT: readonly Client[] = ['go', 'java']

export const ENV_USAGE = `Usage: keyhaven env [--shell SHELL] [--mode MODE] [--client CLIENT] [--credentials KIND]
       keyhaven env --hosts [--vault NAME ...]
       keyhaven env --az-cloud

Prints the environment variables for a client of this server. They hold a client secret: print them into a shell, not
into a log.

  --data FOLDER       the server's data folder (default .keyhaven)
  --shell SHELL       ${SHELLS.join(', ')} (default sh)
                        sh          eval "$(keyhaven env)"
                        fish        keyhaven env --shell fish | source
                        powershell  keyhaven env --shell powershell | Out-String | Invoke-Expression
                        cmd         keyhaven env --shell cmd > env.cmd, then: call env.cmd
                        dotenv      keyhaven env --shell dotenv > .env
  --mode MODE         how clients reach the server (default names)
                        names       https://NAME.vault.<domain>:<port>, log-in at login.<domain>. For daily work and
                                    for servers that others use too: nothing but Key Vault clients is changed. The
                                    names have to resolve: real DNS, or --hosts, or a resolver that knows *.localhost.
                                    The tenant is "adfs", the one word that keeps clients from asking the public cloud
                                    about a log-in host they do not know. Go and Java refuse it: they get the managed
                                    identity, or need instance discovery switched off in code.
                        proxy       No URL, name or code changes and nothing to resolve: https://NAME.vault.azure.net
                                    goes through the server's CONNECT proxy, and so does every local name. For running
                                    an application as it is. Everything else this shell does over https:// is refused,
                                    unless the server was started with --proxy-allow.
                        localhost   https://localhost:<port>, one vault only. For containers and tests with no names at
                                    all. Clients have to be told to skip the check of the challenge resource, in code;
                                    credentials come from the managed-identity endpoint unless said otherwise.
  --client CLIENT     ${CLIENTS.join(', ')}: only the variables this client reads (default all,
                        which leaves out Java's: they make every JVM trust this server alone)
  --credentials KIND  ${CREDENTIALS.join(' or ')} (default client-secret; managed-identity in mode localhost,
                        and for go and java in mode names where the server has that endpoint)
  --hosts             prints lines for /etc/hosts instead: the log-in and management names and every vault
  --vault NAME        one more vault for --hosts; may be repeated
  --az-cloud          prints the file for the Azure CLI in mode names instead:
                        az cloud register -n Keyhaven --skip-endpoint-discovery --cloud-config @FILE
`

interface EnvChoice {
  readonly mode: Mode
  readonly client: Client
  readonly credentials: Credentials
}

/** Runs the command with what follows `env` on the command line; answers the exit code. */
export async function runEnvCommand(
  args: readonly string[],
  { state, stdout, stderr }: EnvCommandDependencies,
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      shell: { type: 'string', default: 'sh' },
      mode: { type: 'string', default: 'names' },
      client: { type: 'string', default: 'all' },
      credentials: { type: 'string' },
      hosts: { type: 'boolean', default: false },
      vault: { type: 'string', multiple: true, default: [] },
      'az-cloud': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    stdout.write(ENV_USAGE)
    return DONE
  }
  try {
    const shell = oneOf(SHELLS, values.shell, '--shell')
    const mode = oneOf(MODES, values.mode, '--mode')
    const client = oneOf(CLIENTS, values.client, '--client')
    const asked = values.credentials === undefined ? undefined : oneOf(CREDENTIALS, values.credentials, '--credentials')
    if (values.hosts && values['az-cloud']) throw new WrongChoice('--hosts and --az-cloud are two files; ask for one')
    const known = await state()
    if (values.hosts) stdout.write(hostsLines(known, values.vault))
    else if (values['az-cloud']) stdout.write(`${JSON.stringify(azCloud(known), null, 2)}\n`)
    else {
      const credentials = asked ?? usualCredentials(known, mode, client)
      stdout.write(environmentText(shell, known, { mode, client, credentials }))
    }
    return DONE
  } catch (error) {
    if (!(error instanceof WrongChoice)) throw error
    stderr.write(`keyhaven env: ${error.message}\n`)
    return USAGE_ERROR
  }
}

/** What was asked for does not exist, or this server does not offer it. */
class WrongChoice extends Error {}

function oneOf<const T extends string>(choices: readonly T[], given: string, flag: string): T {
  const chosen = choices.find((choice) => choice === given)
  if (chosen === undefined) throw new WrongChoice(`${flag} is one of ${choices.join(', ')}, not '${given}'`)
  return chosen
}

function usualCredentials({ identityEndpoint, identityHeader }: ClientState, mode: Mode, client: Client): Credentials {
  const hasEndpoint = identityEndpoint !== undefined && identityHeader !== undefined
  const isBetter = mode === 'names' && CLIENTS_AGAINST_IT.includes(client) && hasEndpoint
  return mode === 'localhost' || isBetter ? 'managed-identity' : 'client-secret'
}

function environmentText(shell: Shell, state: ClientState, choice: EnvChoice): string {
  const hasNodeTrust = shell === 'dotenv' && environmentOf(state, choice).some(({ name }) => name === NODE_TRUST)
  const fileRemark = hasNodeTrust
    ? [`${NODE_TRUST} has to be in the real environment: node --env-file is too late`]
    : []
  const comments = [...remarks(state, choice), ...fileRemark].map((text) => shellComment(shell, text))
  const lines = environmentOf(state, choice).map((assignment) => shellLine(shell, assignment))
  return [...comments, ...lines].map((line) => (line === undefined ? '' : `${line}\n`)).join('')
}

/** What can't be said by a variable. */
function remarks(state: ClientState, { mode, client, credentials }: EnvChoice): string[] {
  const vaultUrls =
    mode === 'localhost'
      ? [state.defaultVaultUrl ?? []].flat()
      : (state.vaults ?? []).map(({ url, realUrl }) => (mode === 'proxy' ? realUrl : url))
  return [
    ...vaultUrls.map((url) => `vault: ${url}`),
    ...(mode === 'localhost' ? ['in code: switch the verification of the challenge resource off'] : []),
    ...(mode !== 'proxy' && credentials === 'client-secret' ? discoveryRemark(client) : []),
    ...(client === 'java' && state.caFile !== undefined ? ['once: keyhaven trust --install --for java'] : []),
    ...(credentials === 'client-secret' && state.clientSecret === undefined
      ? ['AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are yours to set: this server tells no secrets']
      : []),
  ]
}

function discoveryRemark(client: Client): string[] {
  if (client === 'all') return ['Go and Java refuse these: see keyhaven env --client go']
  return CLIENTS_AGAINST_IT.includes(client) ? ['in code: switch instance discovery off'] : []
}

/** The variables of a client, those to remove included. */
export function environmentOf(state: ClientState, choice: EnvChoice): readonly Assignment[] {
  return [
    ...reachingVariables(state, choice.mode),
    ...(choice.client === 'curl' ? [] : credentialVariables(state, choice)),
    ...trustVariables(state, choice),
  ].map(([name, value]) => ({ name, value }))
}

type Variable = readonly [name: string, value: string | undefined]

function reachingVariables(state: ClientState, mode: Mode): Variable[] {
  if (mode !== 'proxy') return [['AZURE_AUTHORITY_HOST', state.loginUrl]]
  const proxyUrl = state.proxyUrl
  if (proxyUrl === undefined) throw new WrongChoice('this server runs without its proxy; start it with --proxy-port')
  return [
    ['AZURE_AUTHORITY_HOST', undefined],
    // Some clients look at the lower-case names first, and a shell may have both.
    ...['HTTPS_PROXY', 'https_proxy'].map((name): Variable => [name, proxyUrl]),
    // Without the name localhost: several clients would take it for every name that ends so.
    ...['NO_PROXY', 'no_proxy'].map((name): Variable => [name, LOOPBACK]),
  ]
}

function credentialVariables(state: ClientState, { mode, client, credentials }: EnvChoice): Variable[] {
  // Skips the developer tools that would otherwise be asked for a token of the real service.
  const chain: Variable = ['AZURE_TOKEN_CREDENTIALS', 'prod']
  if (credentials === 'managed-identity') {
    const { identityEndpoint, identityHeader } = state
    if (identityEndpoint === undefined || identityHeader === undefined) {
      throw new WrongChoice('this server has no managed-identity endpoint; start it with --managed-identity-port')
    }
    return [
      // A client secret would be taken first.
      ...['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'].map((name): Variable => [name, undefined]),
      ['IDENTITY_ENDPOINT', identityEndpoint],
      ['IDENTITY_HEADER', identityHeader],
      chain,
    ]
  }
  const isDiscovering = mode === 'proxy' || CLIENTS_AGAINST_IT.includes(client)
  const isKnown = state.clientId !== undefined && state.clientSecret !== undefined
  return [
    ['IDENTITY_ENDPOINT', undefined],
    ['IDENTITY_HEADER', undefined],
    ['AZURE_TENANT_ID', isDiscovering ? state.tenantId : TENANT_WITHOUT_DISCOVERY],
    ...(isKnown
      ? ([
          ['AZURE_CLIENT_ID', state.clientId],
          ['AZURE_CLIENT_SECRET', state.clientSecret],
        ] as const)
      : []),
    chain,
  ]
}

function trustVariables(state: ClientState, { mode, client }: EnvChoice): Variable[] {
  const is = (...clients: readonly Client[]) => client === 'all' || clients.includes(client)
  const variables: Variable[] = []
  if (state.caFile !== undefined && state.caBundleFile !== undefined) {
    const [caFile, bundle] = [resolve(state.caFile), resolve(state.caBundleFile)]
    if (is('js')) variables.push([NODE_TRUST, caFile])
    if (is('python', 'az')) variables.push(['REQUESTS_CA_BUNDLE', bundle])
    if (is('python', 'go', 'az')) variables.push(['SSL_CERT_FILE', bundle])
    if (is('curl')) variables.push(['CURL_CA_BUNDLE', bundle])
  }
  // Not for all clients at once: a JVM given this truststore trusts nobody else.
  if (client === 'java') {
    const options = [
      ...(state.caFile === undefined ? [] : javaTrustOptions(state.dataFolder)),
      ...(mode === 'proxy' && state.proxyUrl !== undefined ? javaProxyOptions(new URL(state.proxyUrl)) : []),
    ]
    if (options.length > 0) variables.push(['JAVA_TOOL_OPTIONS', javaToolOptions(options)])
  }
  if (is('az')) {
    // A configuration of its own leaves the log-ins to the real cloud alone. It is not in the data folder, because the
    // Azure CLI keeps client secrets in it.
    variables.push(['AZURE_CONFIG_DIR', join(homedir(), '.azure-keyhaven')], ['AZURE_CORE_COLLECT_TELEMETRY', 'no'])
  }
  return variables
}

function javaProxyOptions({ hostname, port }: URL): string[] {
  // The last one is for the managed-identity endpoint, which is plain HTTP: the SDK takes the proxy for that as well.
  return [`-Dhttps.proxyHost=${hostname}`, `-Dhttps.proxyPort=${port}`, `-Dhttp.nonProxyHosts=${LOOPBACK}`]
}

function hostsLines(state: ClientState, more: readonly string[]): string {
  const domain = domainOf(state)
  const vaults = [...new Set([...(state.vaults ?? []).map(({ name }) => name), ...more].map((v) => v.toLowerCase()))]
  const wrong = vaults.find((name) => !/^[a-z0-9-]{3,24}$/.test(name))
  if (wrong !== undefined) throw new WrongChoice(`'${wrong}' is no name of a vault`)
  const names = [...SERVICES.map((service) => `${service}.${domain}`), ...vaults.map((v) => `${v}.vault.${domain}`)]
  return names.map((name) => `${LOOPBACK} ${name}\n`).join('')
}

/** The log-in URL ends in the word that switches discovery off in every version of the command line client. */
function azCloud(state: ClientState) {
  const domain = domainOf(state)
  const { port } = new URL(state.loginUrl)
  const portText = port === '' ? '' : `:${port}`
  const graph = `https://graph.${domain}${portText}/`
  return {
    endpoints: {
      activeDirectory: `${state.loginUrl}/${TENANT_WITHOUT_DISCOVERY}`,
      activeDirectoryResourceId: `${state.managementUrl}/`,
      activeDirectoryGraphResourceId: graph,
      microsoftGraphResourceId: graph,
      management: `${state.managementUrl}/`,
      resourceManager: `${state.managementUrl}/`,
    },
    suffixes: { keyvaultDns: `.vault.${domain}${portText}`, mhsmDns: `.managedhsm.${domain}${portText}` },
  }
}

function domainOf({ loginUrl }: ClientState): string {
  return new URL(loginUrl).hostname.replace(/^login\./, '')
}
