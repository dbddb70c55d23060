/**
 * Environment variables written in the syntax of a shell, so that the shell reads back exactly the value. Values with
 * line breaks or other control characters are refused in every syntax: no shell quotes all of them.
 */
export const SHELLS = ['sh', 'fish', 'powershell', 'cmd', 'dotenv'] as const
export type Shell = (typeof SHELLS)[number]

export interface Assignment {
  readonly name: string
  /** undefined removes the variable, so that one left from before does not get in the way. */
  readonly value: string | undefined
}

interface Syntax {
  set(name: string, value: string): string
  /** undefined where the syntax has no way to. */
  unset(name: string): string | undefined
  readonly comment: string
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const CONTROL = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/
/** What every reader of such files takes literally without quotes; `docker run --env-file` knows no quotes at all. */
const PLAIN = /^[A-Za-z0-9_./:@+,=~-]*$/

const syntaxes: Readonly<Record<Shell, Syntax>> = {
  sh: {
    set: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
    unset: (name) => `unset ${name}`,
    comment: '#',
  },
  fish: {
    set: (name, value) => `set -gx ${name} '${value.replaceAll(/[\\']/g, '\\$&')}'`,
    unset: (name) => `set -ge ${name}`,
    comment: '#',
  },
  powershell: {
    // PowerShell ends a string at typographic quotes as well; each is kept by doubling it.
    set: (name, value) => `$env:${name} = '${value.replaceAll(/['\u2018-\u201b]/g, '$&$&')}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
    comment: '#',
  },
  cmd: {
    set(name, value) {
      if (value.includes('"')) throw new Error(`the value of ${name} holds a double quote, which cmd can't be given`)
      return `set "${name}=${value.replaceAll('%', '%%')}"`
    },
    unset: (name) => `set "${name}="`,
    comment: 'rem',
  },
  dotenv: {
    set(name, value) {
      if (PLAIN.test(value)) return `${name}=${value}`
      if (value.includes("'"))
        throw new Error(`the value of ${name} holds a quote, which .env files have no common way for`)
      return `${name}='${value}'`
    },
    unset: () => undefined,
    comment: '#',
  },
}

/** One line, without its end; undefined for a removal that the syntax can't say. */
export function shellLine(shell: Shell, { name, value }: Assignment): string | undefined {
  if (!NAME.test(name)) throw new Error(`'${name}' is no name of an environment variable`)
  if (value === undefined) return syntaxes[shell].unset(name)
  refuseControl(name, value)
  return syntaxes[shell].set(name, value)
}

/** One line, without its end. */
export function shellComment(shell: Shell, text: string): string {
  refuseControl('a comment', text)
  return `${syntaxes[shell].comment} ${text}`
}

function refuseControl(what: string, text: string): void {
  if (CONTROL.test(text)) throw new Error(`the value of ${what} holds a line break or another control character`)
}
