/**
 * The `keyhaven` command. Each command is a file of its own and loads only when it runs, so `keyhaven --help` and a
 * server's start do not pay for the others.
 */
export interface CommandEntry {
  readonly summary: string
  load(): Promise<{ run(args: readonly string[]): Promise<number> }>
}

/** A command without a summary is for our own tools and is not listed. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  dev: {
    summary: 'Start a development server: makes a vault, an app and everything else, and prints how to use it.',
    load: () => import('./dev.ts'),
  },
  serve: {
    summary: 'Start a production server: makes nothing and refuses unsafe settings.',
    load: () => import('./serve.ts'),
  },
  init: {
    summary: 'Prepare the data folder of a production server: tenant, subscription and first administrator.',
    load: () => import('./init.ts'),
  },
  env: { summary: 'Print the environment variables for a client and shell.', load: () => import('./env-command.ts') },
  trust: {
    summary: "Trust the local CA, or print how to for Node, Python, Java, Go and the system's store.",
    load: () => import('./trust-command.ts'),
  },
  vault: { summary: 'Create, list, show and change vaults.', load: () => import('./vault.ts') },
  role: { summary: 'Assign and remove roles.', load: () => import('./role.ts') },
  app: { summary: 'App registrations, their secrets, certificates and federations.', load: identity('app') },
  user: { summary: 'Users.', load: identity('user') },
  group: { summary: 'Groups and their members.', load: identity('group') },
  'managed-identity': { summary: 'Managed identities.', load: identity('managed-identity') },
  tenant: { summary: 'Tenants.', load: identity('tenant') },
  subscription: { summary: 'Subscriptions.', load: identity('subscription') },
  audit: { summary: 'Verify or show the audit log.', load: () => import('./audit-command.ts') },
  backup: {
    summary: 'Copy a whole installation to one file while it runs.',
    load: () => import('./backup.ts'),
  },
  restore: { summary: 'Make a data folder from such a file.', load: () => import('./restore.ts') },
  keys: {
    summary: 'Rotate the root key or the keys of vaults while the server runs.',
    load: () => import('./keys.ts'),
  },
  'bench-seed': { summary: '', load: () => import('./bench-seed.ts') },
  doctor: { summary: 'Check every record of a data folder.', load: () => import('./doctor.ts') },
}

function identity(noun: string) {
  return async () => {
    const { runIdentityCommand } = await import('./identity-command.ts')
    return { run: (args: readonly string[]) => runIdentityCommand(noun, args) }
  }
}

export const FAILURE = 1
/** The command line itself is wrong. */
export const USAGE = 2

export async function runCli(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage())
    return name === undefined ? USAGE : 0
  }
  if (name === '--version' || name === 'version') {
    const { readVersion } = await import('./version.ts')
    process.stdout.write(`keyhaven ${readVersion()} on Node ${process.version}\n`)
    return 0
  }
  const command = commands[name]
  if (command === undefined) {
    process.stderr.write(`keyhaven: there is no command "${name}"; keyhaven --help lists them\n`)
    return USAGE
  }
  try {
    const { run } = await command.load()
    return await run(rest)
  } catch (error) {
    process.stderr.write(`keyhaven ${name}: ${sentencesOf(error)}\n`)
    return isUsageError(error) ? USAGE : FAILURE
  }
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  return [
    'Keyhaven: the Azure Key Vault REST API, self-hosted.',
    '',
    'Usage: keyhaven COMMAND [OPTIONS]     keyhaven COMMAND --help tells more',
    '',
    ...Object.entries(commands)
      .filter(([, { summary }]) => summary !== '')
      .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'Start with:  keyhaven dev',
    '',
  ].join('\n')
}

/** The message and those of its causes: what was being done, and why it failed. */
function sentencesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `\n  because: ${sentencesOf(error.cause)}` : ''
  return `${error.message}${cause}`
}

const isUsageError = (error: unknown) =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
