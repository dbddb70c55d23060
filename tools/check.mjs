// The static checks: formatting and lint (biome), types (tsc), typed lint rules (eslint), dead code (knip). Runs what it
// is given, or all of them, and says which one failed.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (path) => `${root}node_modules/${path}`
const checks = {
  types: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'],
  format: [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '--no-errors-on-unmatched', '.'],
  lint: [bin('eslint/bin/eslint.js'), '--max-warnings', '0', 'src', 'tests', 'tools'],
  'dead code': [bin('knip/bin/knip.js'), '--no-progress'],
}
const wanted = process.argv.slice(2)
let failed = 0
for (const [name, [script, ...args]] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const startedMs = performance.now()
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`)
  if (status !== 0) failed++
}
process.exit(failed === 0 ? 0 : 1)
