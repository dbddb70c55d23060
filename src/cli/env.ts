/**
 * `keyhaven env`: the environment variables that let an unmodified client find this server, trust it and log in. Which
 * ones depends on how the client reaches it, the mode: by the names of the server's domain, through the CONNECT proxy
 * under the real service's names, or by a bare `localhost`.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Assignment, SHELLS, type Shell, shellComment, shellLine } from '../formats/shell-assignments.ts'
import { javaTrustOptions } from './trust.ts'

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

export const ENV_USAGE = `Usage: keyhaven env [--shell SHELL] [--mode MODE] [--client CLIENT] [--credentials KIND]
       keyhaven env --hosts [--vault NAME ...]
       keyhaven env --az-cloud

Prints the environment variables for a client of this server. They hold a client secret: print them into a shell, not
into a log.

  --shell SHELL       ${SHELLS.join(', ')} (default sh)
                        sh          eval "$(keyhaven env)"
                        fish        keyhaven env --shell fish | source
                        powershell  keyhaven env --shell powershell | Out-String | Invoke-Expression
                        cmd         keyhaven env --shell cmd > env.cmd, then: call env.cmd
                        dotenv      keyhaven env --shell dotenv > .env
  --mode MODE         how clients reach the server (default proxy where the server has one, else names)
                        proxy       No URL, name or code changes: https://NAME.vault.azure.net goes through the
                                    server's CONNECT proxy. For trying an application as it is, and for every machine
                                    where *.localhost does not resolve. Other https:// addresses are refused unless the
                                    server was started with --proxy-allow.
                        names       https://NAME.vault.<domain>:<port>, log-in at login.<domain>. For servers that
                                    others use too. The names have to resolve: real DNS, or --hosts, or a resolver that
                                    knows *.localhost. The tenant is "adfs", the one word that keeps clients from
                                    asking the public cloud about a log-in host they do not know.
                        localhost   https://localhost:<port>, one vault only. For containers and tests with no names at
                                    all. Clients have to be told to skip the check of the challenge resource, in code;
                                    credentials come from the managed-identity endpoint unless said otherwise.
  --client CLIENT     ${CLIENTS.join(', ')}: only the variables this client reads (default all)
  --credentials KIND  ${CREDENTIALS.join(' or ')} (default client-secret; managed-identity in mode localhost)
  --hosts             prints lines for /etc/hosts instead: the log-in and management names and every vault
  --vault NAME        one more vault for --hosts; may be repeated
  --az-cloud          prints the file for "az cloud register --cloud-config @FILE" instead (mode names)
`

/** Runs the command with what follows `env` on the command line; answers the exit code. */
export async function runEnvCommand(
  args: readonly string[],
  { state, stdout, stderr }: EnvCommandDependencies,
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      shell: { type: 'string', default: 'sh' },
      mode: { type: 'string' },
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
  const shell = oneOf(SHELLS, values.shell)
  const mode = values.mode === undefined ? 'default' : oneOf(MODES, values.mode)
  const client = oneOf(CLIENTS, values.client)
  const credentials = values.credentials === undefined ? 'default' : oneOf(CREDENTIALS, values.credentials)
  const wrong =
    shell === undefined
      ? `--shell is one of ${SHELLS.join(', ')}`
      : mode === undefined
        ? `--mode is one of ${MODES.join(', ')}`
        : client === undefined
          ? `--client is one of ${CLIENTS.join(', ')}`
          : credentials === undefined
            ? `--credentials is one of ${CREDENTIALS.join(', ')}`
            : values.hosts && values['az-cloud']
              ? '--hosts and --az-cloud print different files; ask for one at a time'
              : undefined
  if (shell === undefined || mode === undefined || client === undefined || credentials === undefined || wrong !== undefined) {
    stderr.write(`keyhaven env: ${wrong}\n`)
    return USAGE_ERROR
  }
  const known = await state()
  if (values.hosts) stdout.write(hostsLines(known, values.vault))
  else if (values['az-cloud']) stdout.write(azCloud(known))
  else {
    const chosen = mode === 'default' ? (known.proxyUrl === undefined ? 'names' : 'proxy') : mode
    const kind = credentials === 'default' ? (chosen === 'localhost' ? 'managed-identity' : 'client-secret') : credentials
    stdout.write(environmentText(shell, known, { mode: chosen, client, credentials: kind }))
  }
  return DONE
}
