// Runs unmodified official clients against a running Keyhaven:
//   npm run conformance [-- SUITE ...] [--base FILE] [--keep]
// Without suite names all of them run. A fresh server is started for the run unless --base names a file with the
// start-up line of one that already runs. What a suite needs and is not there makes it skip with the reason; a failing
// one makes the exit code 1.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findHostNames } from './harness/host-names.mjs'
import { startServer, useServer } from './harness/server.mjs'

const suiteNames = ['js', 'js-back-catalogue', 'python', 'go', 'java', 'az', 'curl']
const usage = `usage: npm run conformance [-- ${suiteNames.join('|')} ...] [--base FILE] [--keep]\n`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { base: { type: 'string' }, keep: { type: 'boolean', default: false } },
})
const unknown = positionals.filter((name) => !suiteNames.includes(name))
if (unknown.length > 0) {
  process.stderr.write(`no such suite: ${unknown.join(', ')}\n${usage}`)
  process.exit(2)
}

const installFolder = fileURLToPath(new URL('.work/', import.meta.url))
mkdirSync(installFolder, { recursive: true })
const workFolder = mkdtempSync(join(tmpdir(), 'keyhaven-conformance-'))
const logFolder = join(installFolder, 'logs')
mkdirSync(logFolder, { recursive: true })
/** Servers of this run by their extra flags: most suites share the one without any. */
const servers = new Map()
let failed = 0
try {
  for (const name of positionals.length > 0 ? positionals : suiteNames) failed += await runSuite(name)
} finally {
  for (const { server } of servers.values()) await server.stop()
  if (values.keep) say(`kept ${workFolder}`)
  else rmSync(workFolder, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0

async function contextFor(flags) {
  const key = flags.join(' ')
  const known = servers.get(key)
  if (known) return known.context
  const folder = join(workFolder, `server-${servers.size + 1}`)
  mkdirSync(folder)
  const server = values.base ? useServer(values.base) : await startServer(folder, flags)
  const hostNames = await findHostNames(server.base, folder)
  say(
    `server ${server.base.defaultVaultUrl} ${key}, vault ${server.base.vaults[0].url}; names through ${hostNames.how}`,
  )
  const context = { base: server.base, hostNames, installFolder, workFolder: folder, logFolder, say }
  servers.set(key, { server, context })
  return context
}

async function runSuite(name) {
  const started = process.hrtime.bigint()
  const { suite } = await import(`./suites/${name}.mjs`)
  say(`\n${name}: ${suite.proves}`)
  const outcome = await outcomeOf(suite, await contextFor(suite.serverFlags ?? []))
  for (const note of outcome.notes) say(`  ${note}`)
  const seconds = Number((process.hrtime.bigint() - started) / 1_000_000_000n)
  say(`${name}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped (${seconds} s)`)
  return outcome.failed
}

async function outcomeOf(suite, context) {
  try {
    const missing = await suite.missing(context)
    if (missing) return { passed: 0, failed: 0, skipped: 1, notes: [`skipped: ${missing}`] }
    return await suite.run(context)
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, notes: [`the suite itself failed: ${error.stack ?? error}`] }
  }
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
