import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SHELLS, type Shell, shellComment, shellLine } from './shell-assignments.ts'

const TIMEOUT_MS = 20_000
const AWKWARD = [
  '',
  'plain',
  'https://login.localhost:8443',
  'two words',
  "it's",
  "'",
  "''\\''",
  '"double"',
  '$HOME $(id) `id` $',
  'back\\slash\\',
  '!history & | ; < > ( ) * ? [a] {b} ~ # %PATH% ^',
  'grüße €',
]

/** Has a real shell take the line, and a program started from it tell what it got. */
function readBack(command: string, script: (line: string) => string, line: string): string {
  const tell = 'process.stdout.write(String(process.env.KEYHAVEN_TEST))'
  return execFileSync(command, ['-c', `${script(line)}\n'${process.execPath}' -e '${tell}'`], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { PATH: process.env.PATH, HOME: tmpdir(), KEYHAVEN_TEST: 'from before' },
  })
}

const missing = (command: string) =>
  spawnSync(command, ['-c', 'true'], { timeout: TIMEOUT_MS }).status === 0 ? false : `${command} is not on this machine`

for (const [command, shell, script] of [
  ['sh', 'sh', (line: string) => line],
  ['bash', 'sh', (line: string) => `eval "$(cat <<'END'\n${line}\nEND\n)"`],
  ['fish', 'fish', (line: string) => line],
] as const) {
  describe(`${command} reads back`, { skip: missing(command), timeout: 60_000 }, () => {
    for (const value of AWKWARD) {
      test(`the value ${JSON.stringify(value)}`, () => {
        const line = shellLine(shell, { name: 'KEYHAVEN_TEST', value }) ?? assert.fail('no line')
        assert.equal(readBack(command, script, line), value)
      })
    }

    test('nothing for a variable that is removed', () => {
      const line = shellLine(shell, { name: 'KEYHAVEN_TEST', value: undefined }) ?? assert.fail('no line')
      assert.equal(readBack(command, script, line), 'undefined')
    })

    test('nothing of a comment', () => {
      assert.equal(readBack(command, script, shellComment(shell, 'KEYHAVEN_TEST=1; exit 1 $(exit 1)')), 'from before')
    })
  })
}

test('Node reads the values of a .env file back', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhaven-dotenv-'))
  try {
    for (const value of AWKWARD.filter((awkward) => !awkward.includes("'"))) {
      const file = join(folder, '.env')
      writeFileSync(file, `${shellLine('dotenv', { name: 'KEYHAVEN_TEST', value })}\n`)
      const got = execFileSync(
        process.execPath,
        [`--env-file=${file}`, '-e', 'process.stdout.write(String(process.env.KEYHAVEN_TEST))'],
        { encoding: 'utf8', timeout: TIMEOUT_MS, env: {} },
      )
      assert.equal(got, value)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a .env file quotes only where it has to, for readers that know no quotes', () => {
  assert.equal(shellLine('dotenv', { name: 'A', value: 'https://a:1/b?c' }), "A='https://a:1/b?c'")
  assert.equal(shellLine('dotenv', { name: 'A', value: 'https://a:1/b' }), 'A=https://a:1/b')
})

for (const [shell, value, line] of [
  ['powershell', "it's ‘so’", "$env:A = 'it''s ‘‘so’’'"],
  ['powershell', '$x `n "q"', '$env:A = \'$x `n "q"\''],
  ['powershell', undefined, 'Remove-Item Env:A -ErrorAction SilentlyContinue'],
  ['cmd', '50% & more', 'set "A=50%% & more"'],
  ['cmd', undefined, 'set "A="'],
  ['dotenv', undefined, undefined],
] as const) {
  test(`${shell} is given ${JSON.stringify(value)} as ${line}`, () => {
    assert.equal(shellLine(shell, { name: 'A', value }), line)
  })
}

test('a value that a syntax has no way for is refused', () => {
  assert.throws(() => shellLine('cmd', { name: 'A', value: 'a"b' }), /double quote/)
  assert.throws(() => shellLine('dotenv', { name: 'A', value: "it's $x" }), /quote/)
})

describe('no syntax takes', () => {
  for (const shell of SHELLS satisfies readonly Shell[]) {
    test(`line breaks and control characters in a value or comment (${shell})`, () => {
      for (const value of ['a\nb', 'a\rb', 'a\u0000b', 'a\u001bb', 'a\u2028b']) {
        assert.throws(() => shellLine(shell, { name: 'A', value }), /line break/)
        assert.throws(() => shellComment(shell, value), /line break/)
      }
    })

    test(`a name that is none (${shell})`, () => {
      for (const name of ['', '1A', 'A B', 'A;B', 'A=B', 'Ä']) {
        assert.throws(() => shellLine(shell, { name, value: 'x' }), /no name/)
      }
    })
  }
})
