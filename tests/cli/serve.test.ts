import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connectTo, tokenOf } from '../support/real-client.ts'
import { type CommandResult, endLeftProcesses, runCommand, startRealServer } from '../support/real-server.ts'
import { runInProcess } from '../support/run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'keyhaven-serve-'))
const data = join(root, 'data')
/** Beside the data folder, with a name that begins like the folder's. */
const keyFile = join(root, 'data-root.key')
let made: { tenantId: string; clientId: string; clientSecret: string; principalId: string; subscriptionId: string }

/** Settings that are safe; each test spoils one of them. */
const safe: Readonly<Record<string, string>> = {
  data,
  'root-key': 'file',
  'root-key-file': keyFile,
  domain: 'keyhaven.example',
  address: '127.0.0.1',
  port: '0',
  'allow-local-ca': '',
}

function serveArgs(changes: Readonly<Record<string, string | undefined>> = {}): readonly string[] {
  return [
    'serve',
    ...Object.entries({ ...safe, ...changes }).flatMap(([flag, value]) =>
      value === undefined ? [] : value === '' ? [`--${flag}`] : [`--${flag}`, value],
    ),
  ]
}

function assertRefused({ code, stdout, stderr }: Pick<CommandResult, 'code' | 'stdout' | 'stderr'>, sentence: RegExp) {
  assert.equal(code, 1, stderr)
  assert.match(stderr, sentence)
  assert.doesNotMatch(stderr, /\n\s+at /)
  assert.equal(stdout, '')
}

before(async () => {
  const { code, stdout, stderr } = await runInProcess('init', '--data', data, '--root-key-file', keyFile, '--json')
  assert.equal(code, 0, stderr)
  made = JSON.parse(stdout)
})
after(() => {
  endLeftProcesses()
  rmSync(root, { recursive: true, force: true })
})

describe('keyhaven init', () => {
  test('makes tenant, subscription and an app, and a root key for its owner only', () => {
    for (const id of [made.tenantId, made.subscriptionId, made.clientId, made.principalId]) {
      assert.match(id, /^[0-9a-f-]{36}$/)
    }
    assert.ok(made.clientSecret.length >= 32)
    assert.equal(statSync(keyFile).mode & 0o777, 0o600)
  })

  test('changes nothing in a folder that is prepared already', async () => {
    const again = await runInProcess('init', '--data', data, '--root-key-file', keyFile)
    assertRefused(again, /is prepared already; nothing was changed/)
  })

  test('needs a folder', async () => {
    assertRefused(await runInProcess('init'), /name the folder to prepare with --data/)
  })
})

describe('keyhaven serve refuses to start', () => {
  const refusals: readonly (readonly [string, Readonly<Record<string, string | undefined>>, RegExp])[] = [
    ['on an engine that forgets everything', { engine: 'memory' }, /the memory engine forgets everything/],
    ['without naming its root key file', { 'root-key-file': undefined }, /name the root key file with --root-key-file/],
    [
      'with its root key in the data folder',
      { 'root-key-file': join(data, 'root.key') },
      /the root key file lies in the data folder, where it protects nothing/,
    ],
    [
      'with its root key in the data folder under another spelling',
      { 'root-key-file': join(data, '..', 'data', 'keys', 'root.key') },
      /the root key file lies in the data folder, where it protects nothing/,
    ],
    ['with a certificate and no key', { 'tls-cert': keyFile }, /--tls-cert and --tls-key belong together/],
    ['with a key and no certificate', { 'tls-key': keyFile }, /--tls-cert and --tls-key belong together/],
    ['without any certificate', { 'allow-local-ca': undefined }, /give a certificate with --tls-cert and --tls-key/],
    [
      'with a certificate that is not there',
      { 'tls-cert': '/nowhere/cert.pem', 'tls-key': keyFile },
      /the file \/nowhere\/cert\.pem does not exist/,
    ],
    [
      'with trusted issuers that are not there',
      { 'trusted-issuers': '/nowhere/issuers.json' },
      /the file \/nowhere\/issuers\.json does not exist/,
    ],
    ['with a default vault', { 'default-vault': 'dev' }, /a default vault for bare addresses is for development only/],
    ['without a domain', { domain: undefined }, /production needs these settings.*--domain /s],
    ['without an address', { address: undefined }, /production needs these settings.*--address /s],
    ['without a data folder', { data: undefined }, /production needs these settings.*--data /s],
    [
      'without saying what protects the keys',
      { 'root-key': undefined },
      /production needs these settings.*--root-key /s,
    ],
    ['with a kind of root key there is none of', { 'root-key': 'luck' }, /--root-key is one of file, passphrase/],
    ['with a port there is none of', { port: '65536' }, /--port takes a whole number from 0 to 65535/],
  ]
  for (const [name, changes, sentence] of refusals) {
    test(name, async () => {
      assertRefused(await runInProcess(...serveArgs(changes)), sentence)
    })
  }

  test('on a folder that is not there', async () => {
    const missing = await runCommand(serveArgs({ data: join(root, 'missing') }))
    assertRefused(missing, /there is no data in .*missing: start a server on it first|its folder does not exist/)
  })

  test('with another root key than the one that sealed the data', async () => {
    const other = join(root, 'other.key')
    writeFileSync(other, `keyhaven root key, version 1\n${'0'.repeat(64)}\n`, { mode: 0o600 })
    const refused = await runCommand(serveArgs({ 'root-key-file': other }))
    assertRefused(refused, /^keyhaven serve: the file root key is not the one that sealed this data\n/)
  })

  test('with a root key file that is not there, and does not make one', async () => {
    const gone = join(root, 'gone.key')
    const refused = await runCommand(serveArgs({ 'root-key-file': gone }))
    assertRefused(refused, /the root key file .*gone\.key does not exist, and the data cannot be opened without it/)
    assert.throws(() => statSync(gone))
  })

  test('on the folder of a development server', async () => {
    const folder = join(root, 'development')
    const key = join(root, 'development.key')
    const server = await startRealServer([
      'dev',
      '--json',
      '--data',
      folder,
      '--root-key-file',
      key,
      '--port',
      '0',
      '--proxy-port',
      '-1',
      '--managed-identity-port',
      '-1',
    ])
    assert.equal((await server.stop()).code, 0)
    const refused = await runCommand(serveArgs({ data: folder, 'root-key-file': key }))
    assertRefused(refused, /this data folder was made by "keyhaven dev", and its app may do everything/)
  })

  test('on a folder without a tenant', async () => {
    const folder = join(root, 'unprepared')
    const key = join(root, 'unprepared.key')
    const { openDataFolder } = await import('../../src/data-folder.ts')
    const { loadSettings } = await import('../../src/config/settings.ts')
    const { systemRandom } = await import('../../src/ports/random.ts')
    const settings = { ...loadSettings('development', {}, {}), dataFolder: folder, rootKeyFile: key }
    await (await openDataFolder({ settings, random: systemRandom, mayCreate: true })).close()
    const refused = await runCommand(serveArgs({ data: folder, 'root-key-file': key }))
    assertRefused(refused, /this data folder has no tenant yet: prepare it with "keyhaven init"/)
  })
})

describe('keyhaven serve', () => {
  test('starts after init, makes nothing, and lets the app it was prepared with in', async () => {
    const server = await startRealServer([...serveArgs(), '--json'])
    try {
      assert.equal(server.ready.tenantId, made.tenantId)
      assert.equal(server.ready.clientSecret, undefined)
      assert.doesNotMatch(server.stdout() + server.stderr(), new RegExp(made.clientSecret))
      const vault = await runCommand([
        'vault',
        'create',
        '--name',
        'team-a',
        '--data',
        data,
        '--root-key-file',
        keyFile,
        '--json',
      ])
      assert.equal(vault.code, 0, vault.stderr)
      const client = connectTo(server.ready)
      const token = await tokenOf(client, { ...made, tenantId: made.tenantId }, 'keyhaven.example')
      const send = (method: string, body?: object) =>
        client.send({
          method,
          host: 'team-a.vault.keyhaven.example',
          path: '/secrets/one?api-version=7.4',
          token,
          body,
        })
      assert.equal((await send('PUT', { value: 'a value' })).status, 200)
      assert.equal((await send('GET')).json.value, 'a value')
      client.close()
    } finally {
      assert.deepEqual(await server.stop(), { code: 0, signal: null })
    }
  })
})
