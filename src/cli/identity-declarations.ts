/** What the identity commands are made of. The commands themselves are in identity-app.ts and identity-principals.ts. */
import type { ParseArgsOptionsConfig } from 'node:util'
import { type IdentityParts, IdentityRefused } from '../flows/identity-administration.ts'
import { findDefaultTenant } from '../flows/identity-directory.ts'

export interface IdentityCommand {
  /** `app secret add` */
  readonly words: string
  /** What follows the words, as help shows it. */
  readonly usage: string
  readonly summary: string
  /** A command line that works, and a sentence about what it is for. */
  readonly example: string
  readonly options: ParseArgsOptionsConfig
  /** How many arguments come without a flag. */
  readonly positionals: number
  run(environment: CommandEnvironment, input: CommandInput): Promise<Printed>
}

export interface CommandEnvironment extends IdentityParts {
  /** Reads a file, or standard input for `-`. */
  readonly readFile: (path: string) => Promise<Uint8Array>
}

/** What a command prints: the same facts for people and, with --json, for programs. */
export interface Printed {
  readonly text: string
  readonly json: unknown
}

type OptionValue = string | boolean | undefined | readonly (string | boolean)[]

/** The words of one command line, checked for their kind. */
export class CommandInput {
  readonly #values: Readonly<Record<string, OptionValue>>
  readonly #positionals: readonly string[]

  constructor(values: Readonly<Record<string, OptionValue>>, positionals: readonly string[]) {
    this.#values = values
    this.#positionals = positionals
  }

  argument(index: number): string {
    return this.#positionals[index] ?? ''
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  requiredText(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new IdentityRefused(`--${name} is missing`)
    return value
  }

  texts(name: string): readonly string[] | undefined {
    const value = this.#values[name]
    return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : undefined
  }

  count(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^\d{1,6}$/.test(value)) throw new IdentityRefused(`--${name} takes a whole number, not '${value}'`)
    return Number(value)
  }

  isOn(name: string): boolean {
    return this.#values[name] === true
  }
}

/** `--tenant`, or the installation's default tenant. */
export async function tenantIdOf({ records }: CommandEnvironment, input: CommandInput): Promise<string> {
  const named = input.text('tenant')
  if (named !== undefined) return named
  const tenant = await findDefaultTenant(records)
  if (tenant === undefined) {
    throw new IdentityRefused('there is no tenant yet; make one with "keyhaven tenant create --name NAME"')
  }
  return tenant.tenantId
}

/** A secret from a file or standard input, without the line end an editor or echo leaves there. */
export async function secretFromFile(environment: CommandEnvironment, path: string): Promise<string> {
  const bytes = await environment.readFile(path)
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}

/** Facts one below the other. */
export function facts(entries: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}\n`).join('')
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(shown))
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

export function dateOf(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(0, 10)
}

/** Names are data; they must not move the cursor of whoever lists them. */
function shown(value: string): string {
  return value.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
}
