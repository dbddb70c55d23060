/**
 * `keyhaven app|user|group|managed-identity|tenant|subscription …`: who may sign in. Every command takes --json and
 * --help; a secret is printed once, by the command that made it, and never read from the command line itself, where
 * other users of the machine could see it.
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { IdentityRefused } from '../flows/identity-administration.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'
import { appCommands } from './identity-app.ts'
import { type CommandEnvironment, CommandInput, type IdentityCommand } from './identity-declarations.ts'
import { principalCommands } from './identity-principals.ts'

export const identityCommands: readonly IdentityCommand[] = [...appCommands, ...principalCommands]

/** The first words these commands begin with, for the table of all commands. */
export const identityNouns: readonly string[] = [
  ...new Set(identityCommands.map(({ words }) => words.slice(0, words.indexOf(' ')))),
]

export interface IdentityCommandDependencies extends Omit<CommandEnvironment, 'records'> {
  readonly stdout: Output
  readonly stderr: Output
  /** Flags that say which data folder is meant, and their help text. */
  readonly dataOptions: ParseArgsOptionsConfig
  readonly dataHelp: string
  /** Opens the data folder those flags name for as long as `use` runs. */
  withRecords<T>(values: Readonly<Record<string, unknown>>, use: (records: SealedRecords) => Promise<T>): Promise<T>
}

interface Output {
  write(text: string): unknown
}

const DONE = 0
const REFUSED = 1
const WRONG_USAGE = 2

/**
 * Runs what stands on the command line from the noun on. Answers the exit code: 0 done, 1 refused, 2 wrong usage. Throws
 * only what nobody expected, such as a store that cannot be opened.
 */
export async function runIdentityCommand(
  args: readonly string[],
  dependencies: IdentityCommandDependencies,
): Promise<number> {
  const { stdout, stderr } = dependencies
  const command = findCommand(args)
  if (command === undefined) {
    const isHelp = args.includes('--help') || args.includes('-h')
    ;(isHelp ? stdout : stderr).write(helpOfNoun(args[0] ?? ''))
    return isHelp ? DONE : WRONG_USAGE
  }
  const help = `${helpOf(command)}\n${dependencies.dataHelp.trimEnd()}\n`
  const parsed = parse(command, dependencies.dataOptions, args.slice(command.words.split(' ').length))
  if (typeof parsed === 'string') {
    stderr.write(`keyhaven ${command.words}: ${parsed}\n\n${help}`)
    return WRONG_USAGE
  }
  const { input, values } = parsed
  if (input.isOn('help')) {
    stdout.write(help)
    return DONE
  }
  try {
    const printed = await dependencies.withRecords(values, (records) =>
      command.run({ ...dependencies, records }, input),
    )
    stdout.write(input.isOn('json') ? `${JSON.stringify(printed.json)}\n` : printed.text)
    return DONE
  } catch (error) {
    if (!(error instanceof IdentityRefused)) throw error
    stderr.write(`keyhaven ${command.words}: ${error.message}\n`)
    return REFUSED
  }
}

function findCommand(args: readonly string[]): IdentityCommand | undefined {
  return identityCommands.find(({ words }) => words.split(' ').every((word, index) => args[index] === word))
}

interface Parsed {
  readonly input: CommandInput
  readonly values: Readonly<Record<string, unknown>>
}

/** The input, or what is wrong with it. */
function parse(
  command: IdentityCommand,
  dataOptions: ParseArgsOptionsConfig,
  args: readonly string[],
): Parsed | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...dataOptions, ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help !== true && positionals.length !== command.positionals) {
      return `takes ${command.positionals} arguments, not ${positionals.length}`
    }
    return { input: new CommandInput(values, positionals), values }
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) return error.message
    throw error
  }
}

function helpOf({ words, usage, summary, example }: IdentityCommand): string {
  return `Usage: keyhaven ${words} ${`${usage} `.trimStart()}[--json]\n\n${summary}\n\nExample:\n  ${example}\n`
}

function helpOfNoun(noun: string): string {
  const commands = identityCommands.filter(({ words }) => words.startsWith(`${noun} `))
  const shown = commands.length === 0 ? identityCommands : commands
  const width = Math.max(...shown.map(({ words }) => words.length))
  const lines = shown.map(({ words, summary }) => `  keyhaven ${words.padEnd(width)}  ${summary}\n`)
  return `Usage:\n${lines.join('')}\n"keyhaven COMMAND --help" tells more about one of them.\n`
}
