// `npm test`: the static checks, then every test under src/ and tests/. Ends with one plain line of counts.
//   node tools/test.mjs [--no-check] [FILES...]
import { spawn, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const args = process.argv.slice(2)
const files = args.filter((arg) => !arg.startsWith('--'))
const TEST_TIMEOUT_MS = 180_000
let failedChecks = 0

process.stdout.write(
  `tests run on Node ${process.version} (${process.execPath.includes('node_modules') ? 'bundled' : 'system'})\n`,
)
if (!args.includes('--no-check') && files.length === 0) {
  const { status } = spawnSync(process.execPath, [`${root}tools/check.mjs`], { stdio: 'inherit' })
  if (status !== 0) failedChecks = 1
}

const tests = files.length > 0 ? files : globSync(['src/**/*.test.ts', 'tests/**/*.test.ts'], { cwd: root }).sort()
const child = spawn(
  process.execPath,
  ['--test', `--test-timeout=${TEST_TIMEOUT_MS}`, '--test-reporter=spec', ...tests],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, FORCE_COLOR: '0' } },
)
let output = ''
child.stdout.on('data', (chunk) => {
  output += chunk
  process.stdout.write(chunk)
})
child.on('close', (code) => {
  const count = (name) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const failed = count('fail') + count('cancelled') + failedChecks
  const passed = count('pass')
  process.stdout.write(`${passed} passed, ${failed} failed, ${count('skipped') + count('todo')} skipped\n`)
  process.exit(failed > 0 || code !== 0 || passed === 0 ? 1 : 0)
})
