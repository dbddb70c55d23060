/**
 * Settings: each is declared once, with its flag, environment variable, type, default for development and for
 * production, and a sentence. `docs/settings.md`, `--help` and the check at start are read from here.
 */
export interface SettingDeclaration<T> {
  /** Flag without dashes; the variable is KEYHAVEN_ and the name in capitals. */
  readonly flag: string
  readonly kind: 'text' | 'count' | 'switch' | 'list'
  readonly summary: string
  /** Default of `keyhaven dev`; undefined where there is none. */
  readonly development: T
  /** Default of `keyhaven serve`; 'required' makes the server refuse to start without a value. */
  readonly production: T | 'required'
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
}

const setting = <T>(declaration: SettingDeclaration<T>): SettingDeclaration<T> => declaration

export const settingDeclarations = {
  dataFolder: setting<string>({
    flag: 'data',
    kind: 'text',
    summary: 'Folder of the sealed data, the audit log and the CA certificate.',
    development: '.keyhaven',
    production: 'required',
  }),
  engine: setting<string>({
    flag: 'engine',
    kind: 'text',
    summary: 'Store: sqlite keeps data in the data folder, memory forgets everything at the end.',
    development: 'sqlite',
    production: 'sqlite',
    choices: ['sqlite', 'memory'],
  }),
  rootKey: setting<string>({
    flag: 'root-key',
    kind: 'text',
    summary: 'What protects all other keys: file (a key file) or passphrase.',
    development: 'file',
    production: 'required',
    choices: ['file', 'passphrase'],
  }),
  rootKeyFile: setting<string>({
    flag: 'root-key-file',
    kind: 'text',
    summary: 'File of the root key, mode 0600. Default: root.key in the data folder (development only).',
    development: '',
    production: '',
  }),
  passphraseFile: setting<string>({
    flag: 'passphrase-file',
    kind: 'text',
    summary: 'File whose first line is the passphrase; or set KEYHAVEN_PASSPHRASE.',
    development: '',
    production: '',
  }),
  domain: setting<string>({
    flag: 'domain',
    kind: 'text',
    summary: 'Vaults are at NAME.vault.<domain>, the log-in service at login.<domain>.',
    development: 'localhost',
    production: 'required',
  }),
  address: setting<string>({
    flag: 'address',
    kind: 'text',
    summary: 'Address to listen on. Default: loopback, IPv4 and IPv6.',
    development: 'loopback',
    production: 'required',
  }),
  port: setting<number>({
    flag: 'port',
    kind: 'count',
    summary: 'HTTPS port; 0 lets the system choose.',
    development: 8443,
    production: 443,
    min: 0,
    max: 65_535,
  }),
  proxyPort: setting<number>({
    flag: 'proxy-port',
    kind: 'count',
    summary: 'Port of the CONNECT proxy on 127.0.0.1; -1 switches it off, 0 lets the system choose.',
    development: 8444,
    production: -1,
    min: -1,
    max: 65_535,
  }),
  proxyAllow: setting<readonly string[]>({
    flag: 'proxy-allow',
    kind: 'list',
    summary: 'Other hosts the proxy passes through, by name, or * for all.',
    development: [],
    production: [],
  }),
  managedIdentityPort: setting<number>({
    flag: 'managed-identity-port',
    kind: 'count',
    summary: 'Port of the managed-identity endpoint on 127.0.0.1 (plain HTTP); -1 switches it off.',
    development: 8445,
    production: -1,
    min: -1,
    max: 65_535,
  }),
  metricsPort: setting<number>({
    flag: 'metrics-port',
    kind: 'count',
    summary: 'Port of the metrics (Prometheus text, plain HTTP) on 127.0.0.1; -1 switches it off.',
    development: -1,
    production: -1,
    min: -1,
    max: 65_535,
  }),
  defaultVault: setting<string>({
    flag: 'default-vault',
    kind: 'text',
    summary: 'Vault that a bare localhost or address names; empty for none.',
    development: 'dev',
    production: '',
  }),
  workers: setting<number>({
    flag: 'workers',
    kind: 'count',
    summary: 'Processes that answer requests; one more writes for all of them when there are several.',
    development: 1,
    production: 1,
    min: 1,
    max: 64,
  }),
  tlsCertificate: setting<string>({
    flag: 'tls-cert',
    kind: 'text',
    summary: 'Your own certificate chain (PEM). Default: issued by the local CA.',
    development: '',
    production: '',
  }),
  tlsKey: setting<string>({
    flag: 'tls-key',
    kind: 'text',
    summary: 'Private key of --tls-cert (PEM).',
    development: '',
    production: '',
  }),
  allowLocalCa: setting<boolean>({
    flag: 'allow-local-ca',
    kind: 'switch',
    summary: 'Lets `serve` use a certificate of the local CA instead of your own.',
    development: true,
    production: false,
  }),
  challengeTenant: setting<string>({
    flag: 'challenge-tenant',
    kind: 'text',
    summary:
      "What challenges at this domain's own names call the tenant: id, as the service does, or adfs, for Go and Java clients that log in with AZURE_TENANT_ID=adfs.",
    development: 'id',
    production: 'id',
    choices: ['id', 'adfs'],
  }),
  softDeleteLatencySeconds: setting<number>({
    flag: 'soft-delete-latency-seconds',
    kind: 'count',
    summary: 'How long a deletion or recovery stays unfinished to clients; the real service takes some seconds.',
    development: 0,
    production: 0,
    min: 0,
    max: 600,
  }),
  throttleScale: setting<number>({
    flag: 'throttle-scale',
    kind: 'count',
    summary: "Times the service's published transaction limits per vault; 0 switches throttling off.",
    development: 0,
    production: 0,
    min: 0,
    max: 100_000,
  }),
  tokenLifetimeSeconds: setting<number>({
    flag: 'token-lifetime-seconds',
    kind: 'count',
    summary: 'Lifetime of the access tokens that the built-in authority issues.',
    development: 3599,
    production: 3599,
    min: 300,
    max: 86_400,
  }),
  trustedIssuers: setting<string>({
    flag: 'trusted-issuers',
    kind: 'text',
    summary: 'JSON file that lists outside OIDC issuers whose tokens count (docs/operate/identity.md).',
    development: '',
    production: '',
  }),
  auditDurability: setting<string>({
    flag: 'audit-durability',
    kind: 'text',
    summary: 'written survives a kill of the process; synced also a power cut, at the price of a sync per batch.',
    development: 'written',
    production: 'written',
    choices: ['written', 'synced'],
  }),
  purgeIntervalSeconds: setting<number>({
    flag: 'purge-interval-seconds',
    kind: 'count',
    summary: 'How often deleted objects whose retention ended are looked for.',
    development: 60,
    production: 60,
    min: 1,
    max: 86_400,
  }),
  logLevel: setting<string>({
    flag: 'log-level',
    kind: 'text',
    summary: 'Least severe message that is logged on standard error.',
    development: 'warn',
    production: 'info',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
  }),
} as const

type Declarations = typeof settingDeclarations
export type Settings = {
  readonly [K in keyof Declarations]: Declarations[K] extends SettingDeclaration<infer T> ? T : never
}
export type SettingName = keyof Declarations
export type Mode = 'development' | 'production'

/** A setting is missing or can't be used; the message says which and what to do. */
export class SettingsRefused extends Error {
  override readonly name = 'SettingsRefused'
}

export const environmentNameOf = (flag: string) => `KEYHAVEN_${flag.toUpperCase().replaceAll('-', '_')}`

/** Flags win over the environment, the environment over the mode's defaults. */
export function loadSettings(
  mode: Mode,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const missing: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, declaration] of Object.entries(settingDeclarations) as [
    SettingName,
    SettingDeclaration<unknown>,
  ][]) {
    const given = flags[declaration.flag] ?? environment[environmentNameOf(declaration.flag)]
    if (given !== undefined) values[name] = parse(declaration, given)
    else if (declaration[mode] === 'required') missing.push(`--${declaration.flag} (${declaration.summary})`)
    else values[name] = declaration[mode]
  }
  if (missing.length > 0) {
    throw new SettingsRefused(
      `production needs these settings, as flags or as KEYHAVEN_… variables:\n  ${missing.join('\n  ')}`,
    )
  }
  return values as unknown as Settings
}

function parse(declaration: SettingDeclaration<unknown>, given: string | boolean): unknown {
  const { flag, kind, choices, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = declaration
  const text = String(given)
  switch (kind) {
    case 'count': {
      const count = Number(text)
      if (text.trim() === '' || !Number.isInteger(count) || count < min || count > max) {
        throw new SettingsRefused(`--${flag} takes a whole number from ${min} to ${max}, not "${text}"`)
      }
      return count
    }
    case 'switch':
      if (!['true', 'false'].includes(text)) throw new SettingsRefused(`--${flag} takes true or false, not "${text}"`)
      return text === 'true'
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
    case 'text':
      if (choices !== undefined && !choices.includes(text)) {
        throw new SettingsRefused(`--${flag} is one of ${choices.join(', ')}, not "${text}"`)
      }
      return text
  }
}
