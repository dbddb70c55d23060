import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { type ClientState, environmentOf, runEnvCommand } from './env.ts'

const SECRET = "a'b~c$d"
const STATE: ClientState = {
  dataFolder: '/data/key haven',
  loginUrl: 'https://login.localhost:8443',
  managementUrl: 'https://management.localhost:8443',
  defaultVaultUrl: 'https://localhost:8443',
  proxyUrl: 'http://127.0.0.1:8444',
  caFile: '/data/key haven/ca.pem',
  caBundleFile: '/data/key haven/ca-bundle.pem',
  vaults: [{ name: 'dev', url: 'https://dev.vault.localhost:8443', realUrl: 'https://dev.vault.azure.net' }],
  tenantId: '11111111-1111-4111-8111-111111111111',
  clientId: '22222222-2222-4222-8222-222222222222',
  clientSecret: SECRET,
  identityEndpoint: 'http://127.0.0.1:8445/msi/token',
  identityHeader: 'header-value',
}

async function run(args: readonly string[], state: ClientState = STATE) {
  let stdout = ''
  let stderr = ''
  const code = await runEnvCommand(args, {
    state: async () => state,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { code, stdout, stderr }
}

/** What a program sees that is started from a shell that evaluated the output. */
function afterEval(script: string, before: Record<string, string> = {}): Record<string, string | undefined> {
  const tell = 'process.stdout.write(JSON.stringify(process.env))'
  const json = execFileSync('sh', ['-ec', `eval "$SCRIPT"\n'${process.execPath}' -e '${tell}'`], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: process.env.PATH, SCRIPT: script, ...before },
  })
  return JSON.parse(json)
}

describe('a shell that evaluates the output', { timeout: 60_000 }, () => {
  test('has the log-in host, the word adfs and the secret in mode names', async () => {
    const seen = afterEval((await run([])).stdout)
    assert.equal(seen.AZURE_AUTHORITY_HOST, 'https://login.localhost:8443')
    assert.equal(seen.AZURE_TENANT_ID, 'adfs')
    assert.equal(seen.AZURE_CLIENT_ID, STATE.clientId)
    assert.equal(seen.AZURE_CLIENT_SECRET, SECRET)
    assert.equal(seen.NODE_EXTRA_CA_CERTS, '/data/key haven/ca.pem')
    for (const name of ['REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE']) {
      assert.equal(seen[name], '/data/key haven/ca-bundle.pem', name)
    }
    assert.equal(seen.HTTPS_PROXY, undefined)
  })

  test('has the proxy and the real tenant in mode proxy, and forgets the log-in host from before', async () => {
    const seen = afterEval((await run(['--mode', 'proxy'])).stdout, { AZURE_AUTHORITY_HOST: 'https://login.localhost' })
    assert.equal(seen.AZURE_AUTHORITY_HOST, undefined)
    assert.equal(seen.AZURE_TENANT_ID, STATE.tenantId)
    assert.deepEqual([seen.HTTPS_PROXY, seen.https_proxy], [STATE.proxyUrl, STATE.proxyUrl])
    assert.deepEqual([seen.NO_PROXY, seen.no_proxy], ['127.0.0.1', '127.0.0.1'])
  })

  test('has the managed-identity endpoint in mode localhost, and forgets a client secret from before', async () => {
    const seen = afterEval((await run(['--mode', 'localhost'])).stdout, { AZURE_CLIENT_SECRET: 'old' })
    assert.equal(seen.IDENTITY_ENDPOINT, STATE.identityEndpoint)
    assert.equal(seen.IDENTITY_HEADER, 'header-value')
    assert.equal(seen.AZURE_CLIENT_SECRET, undefined)
  })

  test('has only what the client reads', async () => {
    const names = (client: 'js' | 'python' | 'go' | 'curl' | 'az') =>
      environmentOf(STATE, { mode: 'names', client, credentials: 'client-secret' })
        .filter(({ name, value }) => value !== undefined && !/^AZURE_(?!CO)/.test(name))
        .map(({ name }) => name)
    assert.deepEqual(names('js'), ['NODE_EXTRA_CA_CERTS'])
    assert.deepEqual(names('python'), ['REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE'])
    assert.deepEqual(names('go'), ['SSL_CERT_FILE'])
    assert.deepEqual(names('curl'), ['CURL_CA_BUNDLE'])
    assert.deepEqual(names('az'), [
      'REQUESTS_CA_BUNDLE',
      'SSL_CERT_FILE',
      'AZURE_CONFIG_DIR',
      'AZURE_CORE_COLLECT_TELEMETRY',
    ])
  })

  test('gets Java flags with blanks in them quoted, and only when it asked for Java', async () => {
    const seen = afterEval((await run(['--client', 'java', '--mode', 'proxy'])).stdout)
    assert.equal(
      seen.JAVA_TOOL_OPTIONS,
      '"-Djavax.net.ssl.trustStore=/data/key haven/java-truststore.p12" -Djavax.net.ssl.trustStoreType=PKCS12 ' +
        '-Djavax.net.ssl.trustStorePassword=changeit -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8444 ' +
        '-Dhttp.nonProxyHosts=127.0.0.1',
    )
    assert.equal(afterEval((await run([])).stdout).JAVA_TOOL_OPTIONS, undefined)
  })
})

describe('Go and Java, which refuse the tenant adfs,', () => {
  for (const client of ['go', 'java']) {
    test(`get the managed identity in mode names (${client})`, async () => {
      const { stdout } = await run(['--client', client])
      assert.match(stdout, /^export IDENTITY_ENDPOINT=/m)
      assert.doesNotMatch(stdout, /adfs/)
    })

    test(`get the real tenant and a remark where there is only a client secret (${client})`, async () => {
      const { stdout } = await run(['--client', client], { ...STATE, identityEndpoint: undefined })
      assert.match(stdout, /^export AZURE_TENANT_ID='11111111-/m)
      assert.match(stdout, /^# in code: switch instance discovery off$/m)
    })
  }

  test('are pointed to their own variables by those for all', async () => {
    assert.match((await run([])).stdout, /^# Go and Java refuse these: see keyhaven env --client go$/m)
  })
})

describe('what is printed', () => {
  test('names the vaults as the mode has them', async () => {
    assert.match((await run([])).stdout, /^# vault: https:\/\/dev\.vault\.localhost:8443$/m)
    assert.match((await run(['--mode', 'proxy'])).stdout, /^# vault: https:\/\/dev\.vault\.azure\.net$/m)
    assert.match((await run(['--mode', 'localhost'])).stdout, /^# vault: https:\/\/localhost:8443$/m)
  })

  test('is in the syntax asked for', async () => {
    assert.match((await run(['--shell', 'fish'])).stdout, /^set -gx AZURE_TENANT_ID 'adfs'$/m)
    assert.match((await run(['--shell', 'powershell'])).stdout, /^\$env:AZURE_TENANT_ID = 'adfs'$/m)
    assert.match((await run(['--shell', 'cmd'])).stdout, /^set "AZURE_TENANT_ID=adfs"$/m)
    const state = { ...STATE, clientSecret: 'abc' }
    assert.match((await run(['--shell', 'dotenv'], state)).stdout, /^AZURE_TENANT_ID=adfs$/m)
  })

  test('says that Node reads its trust from no .env file', async () => {
    const state = { ...STATE, clientSecret: 'abc' }
    const remark = /^# NODE_EXTRA_CA_CERTS has to be in the real environment/m
    assert.match((await run(['--shell', 'dotenv'], state)).stdout, remark)
    assert.doesNotMatch((await run(['--shell', 'dotenv', '--client', 'go'], state)).stdout, remark)
  })

  test('leaves the secret out, and says so, where the server tells none', async () => {
    const { stdout } = await run([], { ...STATE, clientId: undefined, clientSecret: undefined })
    assert.match(stdout, /^# AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are yours to set/m)
    assert.doesNotMatch(stdout, /^(export|unset) AZURE_CLIENT/m)
  })

  test('has no trust variables for a server with a certificate of the operator', async () => {
    const { stdout } = await run([], { ...STATE, caFile: undefined, caBundleFile: undefined })
    assert.doesNotMatch(stdout, /CA_|CERT/)
  })

  test('for --hosts are the service names and the vaults', async () => {
    const { stdout } = await run(['--hosts', '--vault', 'Other', '--vault', 'dev'])
    assert.equal(
      stdout,
      ['login', 'management', 'graph', 'metadata', 'dev.vault', 'other.vault']
        .map((name) => `127.0.0.1 ${name}.localhost\n`)
        .join(''),
    )
  })

  test('for --az-cloud is a cloud whose log-in ends in adfs and whose suffixes carry the port', async () => {
    const cloud = JSON.parse((await run(['--az-cloud'])).stdout)
    assert.equal(cloud.endpoints.activeDirectory, 'https://login.localhost:8443/adfs')
    assert.equal(cloud.endpoints.resourceManager, 'https://management.localhost:8443/')
    assert.deepEqual(cloud.suffixes, { keyvaultDns: '.vault.localhost:8443', mhsmDns: '.managedhsm.localhost:8443' })
  })

  test('for --az-cloud of a server on 443 has no port', async () => {
    const state = {
      ...STATE,
      loginUrl: 'https://login.kv.example.org',
      managementUrl: 'https://management.kv.example.org',
    }
    assert.equal(JSON.parse((await run(['--az-cloud'], state)).stdout).suffixes.keyvaultDns, '.vault.kv.example.org')
  })

  test('for --help needs no server', async () => {
    let text = ''
    const code = await runEnvCommand(['--help'], {
      state: () => assert.fail('the state was read'),
      stdout: { write: (more) => (text += more) },
      stderr: { write: () => assert.fail('something was complained about') },
    })
    assert.equal(code, 0)
    for (const mode of ['names ', 'proxy ', 'localhost ']) assert.ok(text.includes(mode))
  })
})

describe('is refused with exit code 2:', () => {
  for (const [args, sentence] of [
    [['--shell', 'ksh93'], /--shell is one of sh, fish/],
    [['--mode', 'dns'], /--mode is one of/],
    [['--client', 'cobol'], /--client is one of/],
    [['--credentials', 'none'], /--credentials is one of/],
    [['--hosts', '--az-cloud'], /ask for one/],
    [['--hosts', '--vault', '127.0.0.1 evil'], /no name of a vault/],
  ] as const) {
    test(args.join(' '), async () => {
      const { code, stdout, stderr } = await run(args)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, sentence)
    })
  }

  test('mode proxy of a server without one', async () => {
    const { code, stderr } = await run(['--mode', 'proxy'], { ...STATE, proxyUrl: undefined })
    assert.equal(code, 2)
    assert.match(stderr, /runs without its proxy; start it with --proxy-port/)
  })

  test('managed identity of a server without that endpoint', async () => {
    const state = { ...STATE, identityEndpoint: undefined }
    assert.match((await run(['--credentials', 'managed-identity'], state)).stderr, /--managed-identity-port/)
  })
})
