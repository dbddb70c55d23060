/**
 * `keyhaven trust`: makes programs accept the certificates of this server's local CA. Prints what each runtime needs,
 * and can put the CA into the system's store or a Java truststore of its own.
 */
import { X509Certificate } from 'node:crypto'
import { access, copyFile, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

export interface TrustCommandDependencies {
  /** Holds `ca.pem` and `ca-bundle.pem`, which a server writes when it starts. */
  readonly dataFolder: string
  readonly platform: NodeJS.Platform
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  /** Runs a program without a shell; never rejects. `code` is 127 where there is no such program. */
  run(command: string, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }>
  /** In front of the system's folders; empty outside tests. */
  readonly systemRoot?: string
}

const RUNTIMES = ['system', 'node', 'python', 'java', 'go', 'curl'] as const
type Runtime = (typeof RUNTIMES)[number]

const DONE = 0
const FAILED = 1
const USAGE_ERROR = 2
const JAVA_TRUST_STORE = 'java-truststore.p12'
/** Protects nothing: the store holds a public certificate, and Java wants a password to check that it is intact. */
const JAVA_TRUST_STORE_PASSWORD = 'changeit'

export const TRUST_USAGE = `Usage: keyhaven trust [--for RUNTIME] [--json]
       keyhaven trust --print
       keyhaven trust --install | --uninstall [--for system|java]

Makes programs accept the certificate of this server's local CA. The CA is limited to the names of this server, the
service's own names among them; no client but Java's default lets it vouch for others.

  --data FOLDER  the server's data folder (default .keyhaven)
  --for RUNTIME  ${RUNTIMES.join(', ')}: only this one
  --print        prints the CA's certificate (PEM)
  --install      puts the CA into the system's store (as root; Debian, Ubuntu, Fedora and their relatives), or with
                 --for java into ${JAVA_TRUST_STORE} in the data folder
  --uninstall    takes it out again
  --json         prints the same facts as one line of JSON

Exit code: 0 done, 1 it could not be done, 2 the command line is wrong.
`

interface SystemStore {
  readonly folder: string
  readonly command: string
  readonly args: readonly string[]
}

/** Debian's and Fedora's ways; each is recognised by its folder. */
const SYSTEM_STORES: readonly SystemStore[] = [
  { folder: '/usr/local/share/ca-certificates', command: 'update-ca-certificates', args: [] },
  { folder: '/etc/pki/ca-trust/source/anchors', command: 'update-ca-trust', args: ['extract'] },
]

interface LocalCa {
  readonly pem: string
  readonly file: string
  readonly bundleFile: string
  readonly name: string
  /** Tells this CA from those of other installations in one folder. */
  readonly id: string
  readonly sha256: string
  readonly notAfter: Date
}

/** What to do for a runtime: commands to run, or variables to set. */
interface Advice {
  readonly text: string
  readonly commands: readonly string[]
  readonly variables: Readonly<Record<string, string>>
}

/** Flags that make a JVM use the truststore of this data folder, which `trust --install --for java` makes. */
export function javaTrustOptions(dataFolder: string): string[] {
  return [
    `-Djavax.net.ssl.trustStore=${join(resolve(dataFolder), JAVA_TRUST_STORE)}`,
    '-Djavax.net.ssl.trustStoreType=PKCS12',
    `-Djavax.net.ssl.trustStorePassword=${JAVA_TRUST_STORE_PASSWORD}`,
  ]
}

/** The value of JAVA_TOOL_OPTIONS. The JVM splits it at blanks outside quotes and knows no escapes. */
export function javaToolOptions(options: readonly string[]): string {
  return options
    .map((option) => {
      if (!/[\s"']/.test(option)) return option
      if (!option.includes('"')) return `"${option}"`
      if (!option.includes("'")) return `'${option}'`
      throw new Error(`${option} can't be given to Java: it holds both kinds of quotes`)
    })
    .join(' ')
}

/** Runs the command with what follows `trust` on the command line; answers the exit code. */
export async function runTrustCommand(
  args: readonly string[],
  dependencies: TrustCommandDependencies,
): Promise<number> {
  const { stdout, stderr, dataFolder } = dependencies
  const { values } = parseArgs({
    args: [...args],
    options: {
      install: { type: 'boolean', default: false },
      uninstall: { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      for: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    stdout.write(TRUST_USAGE)
    return DONE
  }
  const runtime = RUNTIMES.find((one) => one === values.for)
  const wrong = wrongChoice(values, runtime)
  if (wrong !== undefined) {
    stderr.write(`keyhaven trust: ${wrong}\n`)
    return USAGE_ERROR
  }
  const ca = await readCa(dataFolder)
  if (ca === undefined) {
    stderr.write(
      `keyhaven trust: there is no CA in ${dataFolder}. Start the server once, or name its folder with --data. A server with --tls-cert has none.\n`,
    )
    return FAILED
  }
  if (values.print) stdout.write(ca.pem)
  else if (values.install || values.uninstall) {
    const direction = values.install ? 'install' : 'uninstall'
    return runtime === 'java'
      ? changeJavaStore(direction, ca, dependencies)
      : changeSystemStore(direction, ca, dependencies)
  } else {
    const advice = await allAdvice(ca, dependencies)
    const chosen = RUNTIMES.filter((one) => runtime === undefined || one === runtime)
    stdout.write(values.json ? `${JSON.stringify(jsonOf(ca, advice, chosen))}\n` : textOf(ca, advice, chosen))
  }
  return DONE
}

function wrongChoice(
  values: { readonly install: boolean; readonly uninstall: boolean; readonly print: boolean; readonly for?: string },
  runtime: Runtime | undefined,
): string | undefined {
  if ([values.install, values.uninstall, values.print].filter(Boolean).length > 1) {
    return 'choose one of --install, --uninstall and --print'
  }
  if (values.for === undefined) return undefined
  if (runtime === undefined) return `--for is one of ${RUNTIMES.join(', ')}, not '${values.for}'`
  const isInstallable = runtime === 'system' || runtime === 'java'
  return (values.install || values.uninstall) && !isInstallable
    ? `nothing is installed for ${runtime}: it reads a variable, which keyhaven trust --for ${runtime} shows`
    : undefined
}

async function readCa(dataFolder: string): Promise<LocalCa | undefined> {
  const file = join(resolve(dataFolder), 'ca.pem')
  if (!(await exists(file))) return undefined
  const pem = await readFile(file, 'utf8')
  const certificate = new X509Certificate(pem)
  const sha256 = certificate.fingerprint256
  return {
    pem,
    file,
    bundleFile: join(resolve(dataFolder), 'ca-bundle.pem'),
    name: certificate.subject.replace(/^CN=/, ''),
    id: sha256.replaceAll(':', '').slice(0, 8).toLowerCase(),
    sha256,
    notAfter: certificate.validToDate,
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (isFileError(error)) return false
    throw error
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

async function findSystemStore({ systemRoot = '' }: TrustCommandDependencies): Promise<SystemStore | undefined> {
  for (const store of SYSTEM_STORES) {
    const folder = join(`${systemRoot}/`, store.folder)
    if (await exists(folder)) return { ...store, folder }
  }
  return undefined
}

/** The store's programs take only files that end in .crt. */
const installedFile = (store: SystemStore, ca: LocalCa) => join(store.folder, `keyhaven-${ca.id}.crt`)

async function changeSystemStore(
  direction: 'install' | 'uninstall',
  ca: LocalCa,
  dependencies: TrustCommandDependencies,
): Promise<number> {
  const { platform, stdout, stderr, run } = dependencies
  const store = platform === 'linux' ? await findSystemStore(dependencies) : undefined
  if (store === undefined) {
    const commands = otherSystemCommands(platform, ca)[direction]
    if (commands.length === 0) stderr.write('keyhaven trust: no store of this system is known.\n')
    else stdout.write(`Run this yourself; it was not tested on this system:\n${indented(commands)}`)
    return FAILED
  }
  const file = installedFile(store, ca)
  try {
    if (direction === 'install') await copyFile(ca.file, file)
    else await rm(file, { force: true })
  } catch (error) {
    if (!isFileError(error)) throw error
    stderr.write(
      `keyhaven trust: ${file} can't be changed (${error.code}). Run this as root:\n${indented(linuxCommands(store, ca)[direction])}`,
    )
    return FAILED
  }
  const { code, output } = await run(store.command, store.args)
  if (code !== 0) {
    stderr.write(`keyhaven trust: ${store.command} ended with ${code}:\n${output}\n`)
    return FAILED
  }
  stdout.write(
    direction === 'install' ? `${ca.name} is trusted: ${file}\n` : `${ca.name} is no longer in ${store.folder}\n`,
  )
  return DONE
}

async function changeJavaStore(
  direction: 'install' | 'uninstall',
  ca: LocalCa,
  { dataFolder, run, stdout, stderr }: TrustCommandDependencies,
): Promise<number> {
  const store = join(resolve(dataFolder), JAVA_TRUST_STORE)
  // Made anew each time, so that it never keeps a CA that was replaced.
  await rm(store, { force: true })
  if (direction === 'uninstall') {
    stdout.write(`${store} is gone\n`)
    return DONE
  }
  const [command = '', ...args] = keytoolCommand(store, ca)
  const { code, output } = await run(command, args)
  if (code !== 0) {
    stderr.write(
      code === 127
        ? 'keyhaven trust: there is no keytool; install a JDK.\n'
        : `keyhaven trust: keytool ended with ${code}:\n${output}\n`,
    )
    return FAILED
  }
  stdout.write(`Java trusts ${ca.name}, and nobody else, with these flags:\n${indented(javaTrustOptions(dataFolder))}`)
  return DONE
}

function keytoolCommand(store: string, ca: LocalCa): string[] {
  const where = ['-keystore', store, '-storetype', 'PKCS12', '-storepass', JAVA_TRUST_STORE_PASSWORD]
  return ['keytool', '-importcert', '-noprompt', '-alias', `keyhaven-${ca.id}`, '-file', ca.file, ...where]
}

function linuxCommands(store: SystemStore, ca: LocalCa) {
  const file = installedFile(store, ca)
  const update = ['sudo', store.command, ...store.args].join(' ')
  return {
    install: [`sudo cp ${quoted(ca.file)} ${quoted(file)}`, update],
    uninstall: [`sudo rm -f ${quoted(file)}`, update],
  }
}

/** For systems where nothing is run, because it was never tried there. */
function otherSystemCommands(platform: NodeJS.Platform, ca: LocalCa) {
  const keychain = '/Library/Keychains/System.keychain'
  if (platform === 'darwin') {
    return {
      install: [`sudo security add-trusted-cert -d -r trustRoot -k ${keychain} ${quoted(ca.file)}`],
      uninstall: [`sudo security remove-trusted-cert -d ${quoted(ca.file)}`],
    }
  }
  if (platform === 'win32') {
    return {
      install: [`certutil -addstore -f Root "${ca.file}"`],
      uninstall: [`certutil -delstore Root "${ca.name}"`],
    }
  }
  return { install: [], uninstall: [] }
}

async function allAdvice(ca: LocalCa, dependencies: TrustCommandDependencies): Promise<Record<Runtime, Advice>> {
  const { platform, dataFolder } = dependencies
  const store = platform === 'linux' ? await findSystemStore(dependencies) : undefined
  const trusting = (file: string, names: readonly string[], text: string): Advice => ({
    text,
    commands: [],
    variables: Object.fromEntries(names.map((name) => [name, file])),
  })
  return {
    system: {
      text:
        store === undefined
          ? 'Not tested on this system; what programs without a setting of their own (.NET, Rust, browsers) read.'
          : 'What programs without a setting of their own (.NET, Rust, Go, curl, Python) read. Or: keyhaven trust --install',
      commands: (store === undefined ? otherSystemCommands(platform, ca) : linuxCommands(store, ca)).install,
      variables: {},
    },
    node: trusting(ca.file, ['NODE_EXTRA_CA_CERTS'], 'Read when the process starts; adds to what Node trusts.'),
    python: trusting(
      ca.bundleFile,
      ['REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE'],
      "The first for requests, the second for ssl, urllib and aiohttp. Both replace what is trusted; the file has the system's CAs too.",
    ),
    java: {
      text: 'A truststore with this CA alone; the flags go to java or into JAVA_TOOL_OPTIONS. Or: keyhaven trust --install --for java',
      commands: [
        keytoolCommand(join(resolve(dataFolder), JAVA_TRUST_STORE), ca)
          .map(quoted)
          .join(' '),
      ],
      variables: { JAVA_TOOL_OPTIONS: javaToolOptions(javaTrustOptions(dataFolder)) },
    },
    go: trusting(
      ca.bundleFile,
      ['SSL_CERT_FILE'],
      "Replaces what is trusted; the file has the system's CAs too. On macOS and Windows Go reads the system's store only.",
    ),
    curl: trusting(ca.bundleFile, ['CURL_CA_BUNDLE'], 'Or for one call: curl --cacert FILE'),
  }
}

function jsonOf(ca: LocalCa, advice: Readonly<Record<Runtime, Advice>>, chosen: readonly Runtime[]) {
  const { pem, file, bundleFile, name, sha256, notAfter } = ca
  return {
    ca: { name, sha256, notAfter: notAfter.toISOString(), file, bundleFile, pem },
    runtimes: Object.fromEntries(chosen.map((runtime) => [runtime, advice[runtime]])),
  }
}

function textOf(ca: LocalCa, advice: Readonly<Record<Runtime, Advice>>, chosen: readonly Runtime[]): string {
  const sections = chosen.map((runtime) => {
    const { text, commands, variables } = advice[runtime]
    const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`)
    return `${runtime}: ${text}\n${indented([...commands, ...exports])}`
  })
  return `${ca.name}
  file        ${ca.file}
  with system ${ca.bundleFile}
  SHA-256     ${ca.sha256}
  until       ${ca.notAfter.toISOString()}

${sections.join('\n')}`
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}\n`).join('')
}

/** For people who paste into a Unix shell. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./:=,@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
