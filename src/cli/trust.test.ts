import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { writeAuthorityCertificate } from '../formats/x509-certificate.ts'
import { runTrustCommand, type TrustCommandDependencies } from './trust.ts'
import { writeTrustFiles } from './trust-files.ts'

const TIMEOUT_MS = 60_000
const DEBIAN = '/usr/local/share/ca-certificates'
const FEDORA = '/etc/pki/ca-trust/source/anchors'

let folder: string
let dataFolder: string
let systemRoot: string
let caPem: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhaven-trust-'))
  dataFolder = join(folder, 'data')
  systemRoot = join(folder, 'root')
  caPem = writeAuthorityCertificate({
    serial: randomBytes(16),
    commonName: 'Keyhaven local CA 00c0ffee',
    notBeforeMs: Date.now() - 3_600_000,
    notAfterMs: Date.now() + 3_600_000,
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    permitted: { dnsNames: ['localhost'], addresses: ['127.0.0.1'] },
  })
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function trust(args: readonly string[], changes: Partial<TrustCommandDependencies> = {}) {
  let stdout = ''
  let stderr = ''
  const ran: string[] = []
  const code = await runTrustCommand(args, {
    dataFolder,
    platform: 'linux',
    systemRoot,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    run: async (command, rest) => {
      ran.push([command, ...rest].join(' '))
      return { code: 0, output: '' }
    },
    ...changes,
  })
  return { code, stdout, stderr, ran }
}

const idOf = () => new X509Certificate(caPem).fingerprint256.replaceAll(':', '').slice(0, 8).toLowerCase()

describe('the files clients are pointed at', () => {
  test('are the CA alone, and the CA after those of the system', async () => {
    const bundle = join(folder, 'system.crt')
    await writeFile(bundle, rootCertificates.slice(0, 2).join('\n'))
    const files = await writeTrustFiles(dataFolder, caPem, [join(folder, 'none.crt'), bundle])
    assert.equal(files.bundleOrigin, bundle)
    assert.equal(await readFile(files.caFile, 'utf8'), caPem)
    assert.equal(await readFile(files.caBundleFile, 'utf8'), `${rootCertificates.slice(0, 2).join('\n')}\n${caPem}`)
  })

  test("have Node's own list where the system has no bundle", async () => {
    const files = await writeTrustFiles(dataFolder, caPem, [])
    assert.equal(files.bundleOrigin, 'node')
    const pems = (await readFile(files.caBundleFile, 'utf8')).match(/-----BEGIN CERTIFICATE-----/g)
    assert.equal(pems?.length, rootCertificates.length + 1)
  })

  test('are replaced as a whole and leave nothing else behind, however many write them', async () => {
    await Promise.all(Array.from({ length: 8 }, () => writeTrustFiles(dataFolder, caPem, [])))
    assert.deepEqual((await readdir(dataFolder)).sort(), ['ca-bundle.pem', 'ca.pem'])
    assert.equal(await readFile(join(dataFolder, 'ca.pem'), 'utf8'), caPem)
  })
})

describe('keyhaven trust', { timeout: TIMEOUT_MS }, () => {
  beforeEach(() => writeTrustFiles(dataFolder, caPem, []))

  test('tells the CA and what each runtime needs', async () => {
    const { code, stdout } = await trust([])
    assert.equal(code, 0)
    assert.match(stdout, /^Keyhaven local CA 00c0ffee$/m)
    assert.ok(stdout.includes(new X509Certificate(caPem).fingerprint256))
    assert.ok(stdout.includes(`export NODE_EXTRA_CA_CERTS=${dataFolder}/ca.pem`))
    assert.ok(stdout.includes(`export REQUESTS_CA_BUNDLE=${dataFolder}/ca-bundle.pem`))
    assert.ok(stdout.includes(`export CURL_CA_BUNDLE=${dataFolder}/ca-bundle.pem`))
    assert.ok(stdout.includes('keytool -importcert'))
  })

  test('tells one runtime only when asked', async () => {
    const { stdout } = await trust(['--for', 'go'])
    assert.match(stdout, /SSL_CERT_FILE/)
    assert.doesNotMatch(stdout, /NODE_EXTRA_CA_CERTS/)
  })

  test('prints the certificate', async () => {
    assert.equal((await trust(['--print'])).stdout, caPem)
  })

  test('prints the same facts as JSON', async () => {
    const { stdout } = await trust(['--json', '--for', 'node'])
    const told = JSON.parse(stdout)
    assert.equal(told.ca.pem, caPem)
    assert.deepEqual(told.runtimes.node.variables, { NODE_EXTRA_CA_CERTS: join(dataFolder, 'ca.pem') })
    assert.deepEqual(Object.keys(told.runtimes), ['node'])
  })

  for (const [system, store, command] of [
    ['Debian', DEBIAN, 'update-ca-certificates'],
    ['Fedora', FEDORA, 'update-ca-trust extract'],
  ] as const) {
    test(`installs into the store of ${system} and takes it out again`, async () => {
      await mkdir(join(systemRoot, store), { recursive: true })
      const file = join(systemRoot, store, `keyhaven-${idOf()}.crt`)
      const installed = await trust(['--install'])
      assert.equal(installed.code, 0, installed.stderr)
      assert.equal(await readFile(file, 'utf8'), caPem)
      const removed = await trust(['--uninstall'])
      assert.equal(removed.code, 0)
      assert.deepEqual(await readdir(join(systemRoot, store)), [])
      assert.deepEqual([installed.ran, removed.ran], [[command], [command]])
    })
  }

  test('says what to run as root when the store may not be written', async () => {
    // A file where the folder should be fails for root as well.
    await mkdir(join(systemRoot, '/usr/local/share'), { recursive: true })
    await writeFile(join(systemRoot, DEBIAN), '')
    const { code, stderr, ran } = await trust(['--install'])
    assert.equal(code, 1)
    assert.match(stderr, /Run this as root:\n {2}sudo cp .*ca\.pem .*\n {2}sudo update-ca-certificates\n/)
    assert.deepEqual(ran, [])
  })

  test("reports the store's program when it fails", async () => {
    await mkdir(join(systemRoot, DEBIAN), { recursive: true })
    const run = async () => ({ code: 3, output: 'no space left' })
    const { code, stderr } = await trust(['--install'], { run })
    assert.equal(code, 1)
    assert.match(stderr, /update-ca-certificates ended with 3:\nno space left/)
  })

  for (const [platform, command] of [
    ['darwin', 'security add-trusted-cert'],
    ['win32', 'certutil -addstore'],
  ] as const) {
    test(`prints what to run on ${platform}, says that it was not tested, and runs nothing`, async () => {
      const { code, stdout, ran } = await trust(['--install'], { platform })
      assert.equal(code, 1)
      assert.match(stdout, /not tested/)
      assert.ok(stdout.includes(command))
      assert.deepEqual(ran, [])
    })
  }

  test('says so on a system whose store is not known', async () => {
    const { code, stderr } = await trust(['--install'])
    assert.equal(code, 1)
    assert.match(stderr, /no store of this system is known/)
  })

  const withoutJava = spawnSync('keytool', ['-help']).status === 0 ? false : 'keytool is not on this machine'
  test("makes a Java truststore that Java's keytool reads", { skip: withoutJava }, async () => {
    const run: TrustCommandDependencies['run'] = (command, args) =>
      new Promise((resolve) => {
        execFile(command, args, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : 1, output: stdout + stderr })
        })
      })
    const store = join(dataFolder, 'java-truststore.p12')
    for (const round of ['first', 'again']) {
      const { code, stdout, stderr } = await trust(['--install', '--for', 'java'], { run })
      assert.equal(code, 0, `${round}: ${stderr}`)
      assert.ok(stdout.includes(`-Djavax.net.ssl.trustStore=${store}`))
    }
    const listed = await run('keytool', ['-list', '-keystore', store, '-storepass', 'changeit'])
    assert.match(listed.output, /1 entry/)
    assert.ok(listed.output.includes(new X509Certificate(caPem).fingerprint256))
    assert.equal((await trust(['--uninstall', '--for', 'java'])).code, 0)
    assert.deepEqual((await readdir(dataFolder)).sort(), ['ca-bundle.pem', 'ca.pem'])
  })

  test('says that a JDK is missing', async () => {
    const run = async () => ({ code: 127, output: '' })
    const { code, stderr } = await trust(['--install', '--for', 'java'], { run })
    assert.equal(code, 1)
    assert.match(stderr, /no keytool/)
  })

  for (const [args, sentence] of [
    [['--for', 'perl'], /--for is one of/],
    [['--install', '--uninstall'], /choose one/],
    [['--install', '--for', 'node'], /nothing is installed for node/],
  ] as const) {
    test(`refuses ${args.join(' ')}`, async () => {
      const { code, stderr, ran } = await trust(args)
      assert.equal(code, 2)
      assert.match(stderr, sentence)
      assert.deepEqual(ran, [])
    })
  }
})

test('keyhaven trust without a CA says how to get one', async () => {
  const { code, stderr } = await trust([])
  assert.equal(code, 1)
  assert.match(stderr, /Start the server once/)
})
