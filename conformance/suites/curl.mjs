// The README's first secret with curl, in names, proxy and localhost mode, and what an unauthenticated curl is told.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, run, runOrThrow } from '../harness/child.mjs'
import { localhostMode, namesMode, plainEnvironment, proxyMode } from '../harness/surroundings.mjs'

const script = (name) => fileURLToPath(new URL(`../clients/curl/${name}`, import.meta.url))

export const suite = {
  proves: "the README's first secret with curl, and the challenge a client without a token gets",
  missing: () => (findProgram('curl') ? undefined : 'curl is not installed'),
  async run(context) {
    const outcome = { passed: 0, failed: 0, skipped: 0, notes: [] }
    for (const [sentence, check] of checks(context)) {
      try {
        await check()
        outcome.passed += 1
      } catch (error) {
        outcome.failed += 1
        outcome.notes.push(`curl: ${sentence}: ${error.message.replace(/\s+/g, ' ').slice(0, 900)}`)
      }
    }
    return outcome
  },
}

function checks(context) {
  const { base, hostNames } = context
  const parent = (url) => url.replace(/^https:\/\/[^.]+\./, 'https://')
  const tenant = { AZURE_TENANT_ID: base.tenantId }
  const names = {
    ...namesMode(base),
    ...hostNames.env,
    ...tenant,
    LOGIN_URL: base.loginUrl,
    VAULT_URL: base.vaults[0].url,
    RESOURCE: parent(base.vaults[0].url),
  }
  const proxied = {
    ...proxyMode(base),
    LOGIN_URL: 'https://login.microsoftonline.com',
    VAULT_URL: base.vaults[0].realUrl,
    RESOURCE: parent(base.vaults[0].realUrl),
  }
  const localhost = { ...localhostMode(base), VAULT_URL: base.defaultVaultUrl }
  return [
    ['first secret in names mode', () => firstSecret(context, 'first-secret.sh', names, hostNames.wrap)],
    ['first secret in proxy mode', () => firstSecret(context, 'first-secret.sh', proxied)],
    ['first secret at localhost', () => firstSecret(context, 'first-secret-localhost.sh', localhost)],
    ['the challenge names a parent of the vault, port included', () => challenge(names, hostNames.wrap)],
    ['the challenge names a parent of the real vault', () => challenge(proxied)],
  ]
}

async function firstSecret(context, name, mode, wrap = (command, args) => [command, args]) {
  const [command, args] = wrap('sh', [script(name)])
  const log = join(context.logFolder, `curl-${mode.KEYHAVEN_MODE}.log`)
  const { stdout } = await runOrThrow(command, args, {
    env: { ...plainEnvironment(), ...mode },
    timeoutSeconds: 60,
    log,
  })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(answers.length, 2)
  assert.deepEqual(answers[0], answers[1])
  assert.equal(answers[0].value, 'hello')
  assert.ok(answers[0].id.startsWith(`${mode.VAULT_URL}/secrets/first-secret/`), answers[0].id)
}

/** Every request without a token gets the challenge, also one that names nothing the server knows. */
async function challenge(mode, wrap = (command, args) => [command, args]) {
  for (const path of ['/secrets/x/?api%2Dversion=2026-04-01', '/no/such/route']) {
    const [command, args] = wrap('curl', ['--silent', '--show-error', '--include', `${mode.VAULT_URL}${path}`])
    const { code, stdout, stderr } = await run(command, args, {
      env: { ...plainEnvironment(), ...mode },
      timeoutSeconds: 30,
    })
    assert.equal(code, 0, stderr)
    const answer = stdout.slice(stdout.lastIndexOf('HTTP/'))
    assert.match(answer, /^HTTP\/[\d.]+ 401/)
    const header = answer.match(/^www-authenticate: (.*?)\r?$/im)?.[1]
    const form = /^Bearer authorization="https:\/\/[^/" ]+\/[^/" ]+", resource="(https:\/\/[^/" ]+)"$/
    assert.equal(header?.match(form)?.[1], mode.RESOURCE, `the header was: ${header}`)
    assert.match(answer, /\{"error":\{"code":"Unauthorized","message":"AKV10000: /)
  }
}
