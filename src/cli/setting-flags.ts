import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import {
  environmentNameOf,
  loadSettings,
  type Mode,
  type SettingDeclaration,
  type SettingName,
  type Settings,
  SettingsRefused,
  settingDeclarations,
} from '../config/settings.ts'

const declarations = Object.entries(settingDeclarations) as [SettingName, SettingDeclaration<unknown>][]

const flagOptions: ParseArgsOptionsConfig = Object.fromEntries(
  declarations.map(([, { flag, kind }]) => [flag, { type: kind === 'switch' ? 'boolean' : 'string' }]),
)

/** Flags that name the data a command works on. */
const DATA_FLAGS = ['data', 'root-key', 'root-key-file', 'passphrase-file']

export interface ServerFlags {
  readonly settings: Settings
  readonly json: boolean
  readonly help: boolean
}

/** Every setting is a flag of `dev` and `serve`. */
export function parseServerFlags(mode: Mode, args: readonly string[]): ServerFlags {
  const { values } = parseArgs({
    args: allowNegativeNumbers(args),
    allowNegative: true,
    options: { ...flagOptions, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  const { json, help, ...flags } = values as Record<string, string | boolean | undefined>
  if (help === true) return { settings: loadSettings('development', {}, {}), json: false, help: true }
  return { settings: loadSettings(mode, flags, process.env), json: json === true, help: false }
}

/** `--proxy-port -1` reads like two flags; make it one. */
function allowNegativeNumbers(args: readonly string[]): string[] {
  const joined: string[] = []
  for (const arg of args) {
    const before = joined.at(-1)
    if (/^-\d+$/.test(arg) && before?.startsWith('--') === true && !before.includes('=')) {
      joined[joined.length - 1] = `${before}=${arg}`
    } else joined.push(arg)
  }
  return joined
}

/** The flags that name the data, for the options of any command that works on a data folder. */
export const dataFlagOptions: ParseArgsOptionsConfig = Object.fromEntries(
  DATA_FLAGS.map((flag) => [flag, { type: 'string' }]),
)

/** Settings of a command on a data folder: development's defaults, so `keyhaven vault list` works beside `keyhaven dev`. */
export function dataSettings(values: Readonly<Record<string, unknown>>): Settings {
  const flags = Object.fromEntries(
    DATA_FLAGS.flatMap((flag) => (typeof values[flag] === 'string' ? [[flag, values[flag]]] : [])),
  ) as Record<string, string>
  return loadSettings('development', flags, process.env)
}

export const DATA_FLAGS_HELP = `  --data FOLDER           data folder (default .keyhaven)
  --root-key KIND         file or passphrase (default file)
  --root-key-file FILE    default root.key in the data folder
  --passphrase-file FILE  or KEYHAVEN_PASSPHRASE`

/** One line per setting, for --help. */
export function settingsHelp(mode: Mode): string {
  return declarations
    .map(([, declaration]) => {
      const fallback = declaration[mode]
      const shown =
        fallback === 'required'
          ? 'required'
          : fallback === '' || String(fallback) === ''
            ? ''
            : `default ${String(fallback)}`
      return `  --${declaration.flag}\n      ${declaration.summary}${shown === '' ? '' : ` (${shown})`}\n      ${environmentNameOf(declaration.flag)}`
    })
    .join('\n')
}

/** Takes the flags that name the data out of a command line; the command parses the rest itself. */
export function splitDataFlags(args: readonly string[]): {
  readonly values: Record<string, string>
  readonly rest: string[]
} {
  const values: Record<string, string> = {}
  const rest: string[] = []
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    const [flag = '', inline] = arg.startsWith('--') ? splitOnce(arg.slice(2)) : ['']
    if (!DATA_FLAGS.includes(flag)) rest.push(arg)
    else {
      const value = inline ?? args[++index]
      if (value === undefined) throw new SettingsRefused(`--${flag} needs a value`)
      values[flag] = value
    }
  }
  return { values, rest }
}

function splitOnce(text: string): [string, string?] {
  const mark = text.indexOf('=')
  return mark === -1 ? [text] : [text.slice(0, mark), text.slice(mark + 1)]
}
