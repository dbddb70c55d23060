// The Go SDK's own test suite for secrets, as published: a module archive carries its _test.go files, so the suite is
// copied out of the module cache and run in live mode. Nothing in it is edited; where it goes is decided by variables
// that the suite itself and the SDK's test packages read. After the run the copy is compared with the archive.
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, run, runOrThrow } from '../harness/child.mjs'
import { runFirstSecret } from '../harness/first-secret.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { managedIdentityMode, namesMode, plainEnvironment, proxyMode } from '../harness/surroundings.mjs'

const module = 'github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets'
const version = 'v1.5.1'
const snippet = fileURLToPath(new URL('../clients/go/first-secret/', import.meta.url))
const oldestGo = [1, 25]

export const suite = {
  // With the tenant `adfs` in their environment, Go and Java take no challenge that names a tenant by its id.
  serverFlags: ['--challenge-tenant', 'adfs'],
  proves: `the own test suite of ${module} ${version}, unmodified, live`,
  missing: () => missingGo(),
  async run(context) {
    const archive = await downloadModule(context)
    const folder = join(context.installFolder, `azsecrets-${version}`)
    rmSync(folder, { recursive: true, force: true })
    cpSync(archive.Dir, folder, { recursive: true })
    await runOrThrow('chmod', ['-R', 'u+w', folder])
    // Compiling fetches the suite's own dependencies, so it happens before the proxy variables are set.
    await runOrThrow('go', ['test', '-exec', 'true', './...'], { cwd: folder, timeoutSeconds: 900 })
    const firstSecret = join(context.installFolder, 'go-first-secret')
    await runOrThrow('go', ['build', '-o', firstSecret, '.'], { cwd: snippet, timeoutSeconds: 900 })
    const { base, hostNames } = context
    const outcomes = [
      await runSuite(context, folder, { ...proxyMode(base) }),
      await runSuite(context, folder, { ...namesMode(base), ...hostNames.env }, hostNames.wrap),
      await runSuite(context, folder, { ...managedIdentityMode(base), ...hostNames.env }, hostNames.wrap),
      await runFirstSecret(context, 'go', () => [firstSecret, []]),
    ]
    const notes = [`${module} ${version}, ${archive.Sum}`, compare(archive.Dir, folder)]
    return sumOutcomes([{ passed: 0, failed: 0, skipped: 0, notes }, ...outcomes])
  },
}

async function missingGo() {
  if (!findProgram('go')) return `Go ${oldestGo.join('.')} or newer is not installed`
  const { stdout } = await run('go', ['env', 'GOVERSION'])
  const [major, minor] = stdout.trim().replace('go', '').split('.').map(Number)
  const isOld = major < oldestGo[0] || (major === oldestGo[0] && minor < oldestGo[1])
  return isOld ? `Go ${oldestGo.join('.')} or newer is needed, this is ${stdout.trim()}` : undefined
}

async function downloadModule(context) {
  const args = ['mod', 'download', '-json', `${module}@${version}`]
  const { stdout } = await runOrThrow('go', args, { cwd: context.workFolder, timeoutSeconds: 600 })
  return JSON.parse(stdout)
}

async function runSuite(context, folder, mode, wrap = (command, args) => [command, args]) {
  const env = {
    ...plainEnvironment(),
    ...mode,
    AZURE_RECORD_MODE: 'live',
    AZURE_KEYVAULT_URL: mode.KEYHAVEN_VAULT_URL,
    GOPROXY: 'off',
  }
  const [command, args] = wrap('go', ['test', '-count=1', '-json', './...'])
  const log = join(context.logFolder, `go-${mode.KEYHAVEN_MODE}.json`)
  const result = await run(command, args, { cwd: folder, env, timeoutSeconds: 600, log })
  return readOutcome(context, mode.KEYHAVEN_MODE, result)
}

/** Counts tests and subtests alike, as `go test -v` prints one line for each. */
function readOutcome(context, mode, result) {
  const lines = result.stdout.split('\n').filter((line) => line.startsWith('{'))
  const events = lines.map((line) => JSON.parse(line))
  const ended = (action) => events.filter((event) => event.Test && event.Action === action)
  const outputOf = (test) =>
    events
      .filter((event) => event.Test === test && event.Action === 'output')
      .map((event) => event.Output)
      .join('')
  const [passed, failed, skipped] = ['pass', 'fail', 'skip'].map(ended)
  const topLevel = passed.filter((event) => !event.Test.includes('/')).length
  context.say(`  go-${mode}: ${passed.length} passed (${topLevel} tests and their subtests), ${failed.length} failed`)
  const describe = (event) => {
    const output = outputOf(event.Test).replace(/\s+/g, ' ').trim()
    return `go-${mode}: ${event.Action} ${event.Test}: ${output.slice(0, 700)}`
  }
  const notes = [...failed, ...skipped].map(describe)
  const isBroken = result.code !== 0 && failed.length === 0
  if (isBroken) notes.push(`go-${mode}: ended with ${result.code}: ${(result.stderr || result.stdout).slice(-800)}`)
  return { passed: passed.length, failed: failed.length + (isBroken ? 1 : 0), skipped: skipped.length, notes }
}

/** Says that both folders hold the same files with the same bytes; a difference fails the suite. */
function compare(archive, copy) {
  const [ours, theirs] = [filesBelow(copy), filesBelow(archive)]
  const same = ours.join('\n') === theirs.join('\n')
  if (!same || ours.some((path) => !readFileSync(join(copy, path)).equals(readFileSync(join(archive, path))))) {
    throw new Error(`${copy} is not what was published`)
  }
  return `the ${ours.length} files that ran are those of the published archive, byte for byte`
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile())
    .map((path) => relative(folder, path))
    .sort()
}
