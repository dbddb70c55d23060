// The newest azure-keyvault-secrets and azure-identity for Python, in the same four modes as the JavaScript suite.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../harness/child.mjs'
import { runFirstSecret } from '../harness/first-secret.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { missingPython, pythonFolder } from '../harness/python-folder.mjs'
import { localhostMode, managedIdentityMode, namesMode, plainEnvironment, proxyMode } from '../harness/surroundings.mjs'

const client = (path) => fileURLToPath(new URL(`../clients/python/${path}`, import.meta.url))

export const suite = {
  proves: 'the newest Python SDK, synchronous and asynchronous, in names, proxy, localhost and managed identity mode',
  missing: () => missingPython(),
  async run(context) {
    const python = join(await pythonFolder(context, 'python-sdk', client('requirements.txt')), 'python')
    const { base, hostNames } = context
    const outcomes = []
    for (const { mode, wrap } of [
      { mode: { ...namesMode(base), ...hostNames.env }, wrap: hostNames.wrap },
      { mode: proxyMode(base) },
      { mode: localhostMode(base) },
      { mode: { ...managedIdentityMode(base), ...hostNames.env }, wrap: hostNames.wrap },
    ]) {
      outcomes.push(await runMode(context, python, mode, wrap))
    }
    outcomes.push(await runFirstSecret(context, 'python', () => [python, ['-B', client('first_secret.py')]]))
    return sumOutcomes(outcomes)
  },
}

async function runMode(context, python, mode, wrap = (command, args) => [command, args]) {
  const label = `python-${mode.KEYHAVEN_MODE}`
  const [command, args] = wrap(python, ['-B', client('test_secrets.py')])
  const env = { ...plainEnvironment(), ...mode }
  const log = join(context.logFolder, `${label}.log`)
  const result = await run(command, args, { env, timeoutSeconds: 300, log })
  const text = result.stderr
  const ran = Number(text.match(/^Ran (\d+) tests? in/m)?.[1] ?? 0)
  const count = (word) => Number(text.match(new RegExp(`^(?:OK|FAILED) \\(.*?\\b${word}=(\\d+)`, 'm'))?.[1] ?? 0)
  const skipped = count('skipped')
  // Subtests are counted as failures of their own but are part of one test.
  const failedTests = new Set([...text.matchAll(/^(?:FAIL|ERROR): (\S+)/gm)].map((match) => match[1]))
  const isBroken = result.code !== 0 && failedTests.size === 0
  const failed = isBroken ? 1 : failedTests.size
  const blocks = text
    .split(/^={70}$/m)
    .slice(1)
    .map((block) => block.trim().replace(/\s+/g, ' '))
  const notes = blocks.map((block) => `${label}: ${block.slice(0, 120)} … ${block.slice(-400)}`)
  if (isBroken) notes.push(`${label}: ended with ${result.code ?? 'a time-out'}: ${text.slice(-800)}`)
  for (const [, test, why] of text.matchAll(/^(\S+) \(.*skipped '(.*)'$/gm))
    notes.push(`${label}: skipped ${test}: ${why}`)
  context.say(`  ${label}: ${ran - failed - skipped} passed, ${failed} failed, ${skipped} skipped`)
  return { passed: Math.max(ran - failed - skipped, 0), failed, skipped, notes }
}
