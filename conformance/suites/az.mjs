// The Azure CLI from the Python package index, once with its built-in public cloud through the CONNECT proxy and once
// with the server registered as a cloud of its own. Every step is a command a user types; the next ones use its answer.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../harness/child.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { missingPython, pythonFolder } from '../harness/python-folder.mjs'
import { plainEnvironment, proxyMode, trust } from '../harness/surroundings.mjs'

const requirements = fileURLToPath(new URL('../clients/az/requirements.txt', import.meta.url))

export const suite = {
  proves: 'the Azure CLI: login and every `az keyvault secret` command, by name and by id, in proxy and names mode',
  missing: () => missingPython(),
  async run(context) {
    const az = join(await pythonFolder(context, 'az-cli', requirements), 'az')
    const { base, hostNames } = context
    const proxied = { label: 'az-proxy', env: { ...trust(base), HTTPS_PROXY: proxyMode(base).HTTPS_PROXY } }
    const named = { label: 'az-names', env: { ...trust(base), ...hostNames.env }, wrap: hostNames.wrap }
    return sumOutcomes([
      await walk(context, {
        az,
        ...proxied,
        vaultUrl: base.vaults[0].realUrl,
        tenant: base.tenantId,
        cloud: undefined,
      }),
      await walk(context, {
        az,
        ...named,
        vaultUrl: base.vaults[0].url,
        tenant: base.tenantId,
        cloud: localCloud(base),
      }),
    ])
  },
}

/**
 * The server as a cloud of its own. A login address that ends in `/adfs` is what keeps the CLI from asking the public
 * cloud about it. Suffixes start with a dot and carry the port.
 */
function localCloud(base) {
  const vault = new URL(base.vaults[0].url)
  const graph = base.managementUrl.replace('management', 'graph')
  return {
    endpoints: {
      activeDirectory: `${base.loginUrl}/adfs`,
      activeDirectoryResourceId: `${base.managementUrl}/`,
      activeDirectoryGraphResourceId: `${graph}/`,
      microsoftGraphResourceId: `${graph}/`,
      management: `${base.managementUrl}/`,
      resourceManager: `${base.managementUrl}/`,
    },
    suffixes: { keyvaultDns: vault.host.slice(vault.host.indexOf('.')) },
  }
}

async function walk(context, { az, label, env, wrap = (command, args) => [command, args], vaultUrl, tenant, cloud }) {
  const { base } = context
  const folder = join(context.workFolder, label)
  mkdirSync(folder, { recursive: true })
  const quiet = { AZURE_CORE_COLLECT_TELEMETRY: 'no', AZURE_CORE_NO_COLOR: 'yes', AZURE_CORE_ONLY_SHOW_ERRORS: 'yes' }
  const fullEnv = { ...plainEnvironment(), ...env, ...quiet, AZURE_CONFIG_DIR: join(folder, 'config') }
  mkdirSync(fullEnv.AZURE_CONFIG_DIR)
  const call = async (args) => {
    const [command, wrapped] = wrap(az, [...args, '--output', 'json'])
    return run(command, wrapped, { env: fullEnv, cwd: folder, timeoutSeconds: 120 })
  }
  /** Runs a command that has to succeed and answers what it printed as JSON, or undefined when it printed nothing. */
  const ask = async (...args) => {
    const result = await call(args)
    assert.equal(
      result.code,
      0,
      `az ${args.slice(0, 4).join(' ')} ended with ${result.code}: ${result.stderr.slice(-600)}`,
    )
    return result.stdout.trim() === '' ? undefined : JSON.parse(result.stdout)
  }
  /** Runs a command that has to be refused and answers its error text. */
  const refused = async (...args) => {
    const result = await call(args)
    assert.notEqual(result.code, 0, `az ${args.slice(0, 4).join(' ')} was expected to be refused`)
    return result.stderr
  }
  const outcome = { passed: 0, failed: 0, skipped: 0, notes: [] }
  const all = steps({ ask, refused, folder, base, vaultUrl, tenant, cloud })
  for (const [index, [sentence, step, isNeeded]] of all.entries()) {
    try {
      await step()
      outcome.passed += 1
    } catch (error) {
      outcome.failed += 1
      outcome.notes.push(`${label}: ${sentence}: ${error.message.replace(/\s+/g, ' ').slice(0, 900)}`)
      if (!isNeeded) continue
      const rest = all.length - index - 1
      outcome.failed += rest
      outcome.notes.push(`${label}: the ${rest} steps that need it count as failed`)
      break
    }
  }
  context.say(`  ${label}: ${outcome.passed} passed, ${outcome.failed} failed`)
  return outcome
}

/** Pairs of a sentence and a step, and `true` with those that all later ones need. */
function steps({ ask, refused, folder, base, vaultUrl, tenant, cloud }) {
  const name = `az-${randomBytes(4).toString('hex')}`
  const vault = ['--vault-name', base.vaults[0].name]
  const byName = [...vault, '--name', name]
  const secret = (...args) => ask('keyvault', 'secret', ...args)
  const file = (what) => join(folder, what)
  const known = {}
  const registration = [
    [
      'a cloud is registered from its description and chosen',
      async () => {
        writeFileSync(file('cloud.json'), JSON.stringify(cloud))
        await ask('cloud', 'register', '--name', 'Keyhaven', '--cloud-config', `@${file('cloud.json')}`)
        await ask('cloud', 'set', '--name', 'Keyhaven')
        assert.equal((await ask('cloud', 'show')).name, 'Keyhaven')
      },
      true,
    ],
  ]
  return [
    ...(cloud ? registration : []),
    [
      'a wrong password is refused with the reason',
      async () => {
        // Before the right one: the CLI takes a token it still holds without asking, and keeps the wrong password.
        const wrong = ['--username', base.clientId, '--password', 'not-the-secret', '--tenant', tenant]
        assert.match(await refused('login', '--service-principal', ...wrong), /AADSTS7000215/)
      },
    ],
    [
      'a service principal logs in and sees the subscription',
      async () => {
        const credentials = ['--username', base.clientId, '--password', base.clientSecret, '--tenant', tenant]
        const accounts = await ask('login', '--service-principal', ...credentials)
        assert.equal(accounts.length, 1)
        assert.equal(accounts[0].id, base.subscriptionId)
        assert.equal(accounts[0].user.name, base.clientId)
        assert.equal(accounts[0].state, 'Enabled')
        assert.equal((await ask('account', 'show')).id, base.subscriptionId)
      },
      true,
    ],
    [
      'a token is printed',
      async () => assert.match((await ask('account', 'get-access-token')).accessToken, /^[\w-]+\.[\w-]+\.[\w-]+$/),
    ],
    [
      'set',
      async () => {
        const options = [
          '--description',
          'text/plain',
          '--tags',
          'owner=conformance',
          '--expires',
          '2050-01-02T03:04:05Z',
        ]
        known.first = await secret('set', ...byName, '--value', 'first', ...options)
        assert.equal(known.first.value, 'first')
        assert.equal(known.first.contentType, 'text/plain')
        assert.equal(known.first.tags.owner, 'conformance')
        assert.equal(known.first.attributes.expires, '2050-01-02T03:04:05+00:00')
        assert.ok(known.first.id.startsWith(`${vaultUrl}/secrets/${name}/`))
        known.second = await secret('set', ...byName, '--value', 'second')
      },
    ],
    [
      'set from a file',
      async () => {
        writeFileSync(file('value.txt'), 'line 1\nline 2\n')
        const args = ['--name', `${name}-file`, ...vault, '--file', file('value.txt'), '--encoding', 'utf-8']
        assert.equal((await secret('set', ...args)).value, 'line 1\nline 2\n')
      },
    ],
    [
      'show, by name, by name and version, and by id',
      async () => {
        assert.equal((await secret('show', ...byName)).value, 'second')
        const version = known.first.id.split('/').at(-1)
        assert.equal((await secret('show', ...byName, '--version', version)).value, 'first')
        assert.equal((await secret('show', '--id', known.first.id)).value, 'first')
        assert.equal((await secret('show', '--id', `${vaultUrl}/secrets/${name}`)).value, 'second')
      },
    ],
    [
      'a missing secret is refused with SecretNotFound',
      async () =>
        assert.match(await refused('keyvault', 'secret', 'show', ...vault, '--name', 'missing'), /SecretNotFound/),
    ],
    [
      'list, by name and by address, and a page of it',
      async () => {
        const listed = (await secret('list', ...vault)).map((item) => item.name)
        assert.ok(listed.includes(name) && listed.includes(`${name}-file`))
        assert.equal((await secret('list', '--id', vaultUrl)).length, listed.length)
        assert.equal((await secret('list', ...vault, '--maxresults', '1')).length, 1)
      },
    ],
    [
      'list-versions',
      async () => {
        const ids = (await secret('list-versions', ...byName)).map((item) => item.id).sort()
        assert.deepEqual(ids, [known.first.id, known.second.id].sort())
      },
    ],
    [
      'set-attributes, also of one version by its id',
      async () => {
        const newest = await secret('set-attributes', ...byName, '--content-type', 'text/html', '--tags', 'a=b')
        assert.equal(newest.contentType, 'text/html')
        assert.deepEqual(newest.tags, { a: 'b' })
        const first = await secret('set-attributes', '--id', known.first.id, '--enabled', 'false')
        assert.equal(first.attributes.enabled, false)
        assert.match(await refused('keyvault', 'secret', 'show', '--id', known.first.id), /Forbidden/)
        await secret('set-attributes', '--id', known.first.id, '--enabled', 'true')
      },
    ],
    [
      'download',
      async () => {
        await secret('download', ...byName, '--file', file('downloaded.txt'))
        assert.equal(readFileSync(file('downloaded.txt'), 'utf8'), 'second')
      },
    ],
    ['backup', async () => secret('backup', ...byName, '--file', file('backup.blob'))],
    [
      'delete, list-deleted and show-deleted',
      async () => {
        const deleted = await secret('delete', ...byName)
        assert.equal(deleted.recoveryId, `${vaultUrl}/deletedsecrets/${name}`)
        const listed = await secret('list-deleted', ...vault)
        assert.ok(listed.some((item) => item.recoveryId === deleted.recoveryId))
        assert.equal((await secret('show-deleted', ...byName)).recoveryId, deleted.recoveryId)
        assert.match(await refused('keyvault', 'secret', 'show', ...byName), /SecretNotFound/)
        assert.match(
          await refused('keyvault', 'secret', 'set', ...byName, '--value', 'x'),
          /ObjectIsDeletedButRecoverable|Conflict/,
        )
      },
    ],
    [
      'recover',
      async () => {
        assert.equal((await secret('recover', ...byName)).id, known.second.id)
        assert.equal((await secret('show', ...byName)).value, 'second')
      },
    ],
    [
      'recover by id',
      async () => {
        const { recoveryId } = await secret('delete', '--id', `${vaultUrl}/secrets/${name}`)
        assert.equal((await secret('recover', '--id', recoveryId)).id, known.second.id)
      },
    ],
    [
      'purge and restore',
      async () => {
        await secret('delete', ...byName)
        await secret('purge', ...byName)
        assert.match(await refused('keyvault', 'secret', 'show-deleted', ...byName), /SecretNotFound/)
        assert.equal((await secret('restore', ...vault, '--file', file('backup.blob'))).id, known.second.id)
        assert.equal((await secret('show', '--id', known.first.id)).value, 'first')
        assert.match(
          await refused('keyvault', 'secret', 'restore', ...vault, '--file', file('backup.blob')),
          /Conflict/,
        )
      },
    ],
  ]
}
