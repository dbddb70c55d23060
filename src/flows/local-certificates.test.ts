import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { checkServerIdentity, connect, createServer, type Server } from 'node:tls'
import { promisify } from 'node:util'
import { createMemoryStore } from '../adapters/storage/memory/memory-store.ts'
import { type Clock, systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import type { RootKeyProvider } from '../ports/root-key.ts'
import { type Store, StoreConflict } from '../ports/store.ts'
import { Keyrings } from '../sealing/keyrings.ts'
import { sealedRecords } from '../sealing/sealed-records.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from '../sealing/sealed-store.ts'
import { ensureLocalCertificates, type LocalCertificates, serverNamesOf } from './local-certificates.ts'

const run = promisify(execFile)
const MS_PER_DAY = 86_400_000
const START_MS = Date.UTC(2030, 0, 15, 12)
const COMMAND_TIMEOUT_MS = 120_000

/** Wraps nothing: what is tested here is above the root key. */
const openRootKey: RootKeyProvider = {
  kind: 'test',
  keyId: 'test',
  wrap: async (key) => Uint8Array.from(key),
  unwrap: async (wrapped) => Uint8Array.from(wrapped),
  close: async () => undefined,
}

/** Sealed records of an installation in memory; with the store of another, as a second process of that one. */
async function openRecords(store: Store = createMemoryStore()): Promise<{ sealed: SealedRecords; store: Store }> {
  const keyrings = await Keyrings.open(store, openRootKey, systemRandom)
  await keyrings.ensure(INSTALLATION_KEYRING)
  const sealed = sealedRecords({ store, keyrings, random: systemRandom, keyring: INSTALLATION_KEYRING })
  return { sealed, store }
}

/** What an older or other version of the program would have stored. */
async function changeMeta(sealed: SealedRecords, key: string, change: (json: string) => string): Promise<void> {
  const record = (await sealed.read('serverCertificates', key)) ?? assert.fail('no record')
  const meta = JSON.parse(change(JSON.stringify(record.meta)))
  assert.notDeepEqual(meta, record.meta)
  await sealed.commit([
    { collection: 'serverCertificates', key, expect: record.revision, meta, value: record.openValue() },
  ])
}

function movableClock(nowMs = START_MS) {
  const clock = { now: nowMs, nowMs: () => clock.now, after: () => assert.fail('nothing here waits') }
  return clock
}

function ensure(records: SealedRecords, clock: Clock, domain = 'localhost'): Promise<LocalCertificates> {
  return ensureLocalCertificates({ records, clock, random: systemRandom, domain })
}

const serverCertificateOf = (certificates: LocalCertificates) => new X509Certificate(certificates.certificateChainPem)

describe('issuing', () => {
  test('the first call makes an authority and a certificate, the second answers the same', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    const first = await ensure(sealed, clock)
    const second = await ensure(sealed, clock)
    assert.deepEqual([first.renewed, first.authorityIsNew], [true, true])
    assert.deepEqual([second.renewed, second.authorityIsNew], [false, false])
    assert.equal(second.certificateChainPem, first.certificateChainPem)
    assert.equal(second.privateKeyPem.revealText(), first.privateKeyPem.revealText())
  })

  test('the certificate holds the names of the domain and of the real service', async () => {
    const certificates = await ensure((await openRecords()).sealed, movableClock(), 'kv.example.org')
    const names = serverCertificateOf(certificates).subjectAltName ?? ''
    for (const name of ['DNS:*.vault.kv.example.org', 'DNS:login.kv.example.org', 'DNS:localhost']) {
      assert.ok(names.split(', ').includes(name), `${name} is missing in ${names}`)
    }
    assert.ok(names.includes('DNS:*.vault.azure.net') && names.includes('DNS:login.microsoftonline.com'))
    assert.ok(names.includes('IP Address:127.0.0.1') && names.includes('IP Address:0:0:0:0:0:0:0:1'))
  })

  test('the authority lasts ten years, the certificate ninety days, and both have begun', async () => {
    const certificates = await ensure((await openRecords()).sealed, movableClock())
    const [server, authority] = [serverCertificateOf(certificates), new X509Certificate(certificates.caCertificatePem)]
    const days = (c: X509Certificate) => (c.validToDate.getTime() - c.validFromDate.getTime()) / MS_PER_DAY
    assert.equal(days(server), 90)
    assert.equal(days(authority), 3650)
    assert.ok(server.validFromDate.getTime() < START_MS && authority.validFromDate.getTime() < START_MS)
    assert.equal(server.validToDate.getTime(), certificates.notAfterMs)
    assert.match(authority.subject, /^CN=Keyhaven local CA [0-9a-f]{8}$/)
  })

  test('the private key belongs to the certificate and prints as a secret', async () => {
    const certificates = await ensure((await openRecords()).sealed, movableClock())
    const key = createPrivateKey(certificates.privateKeyPem.reveal())
    assert.ok(serverCertificateOf(certificates).checkPrivateKey(key))
    assert.ok(!JSON.stringify(certificates).includes('PRIVATE KEY'))
  })

  test('private keys reach the store sealed', async () => {
    const { sealed, store } = await openRecords()
    const { privateKeyPem } = await ensure(sealed, movableClock())
    const der = createPrivateKey(privateKeyPem.reveal()).export({ type: 'pkcs8', format: 'der' })
    const stored = await store.page('serverCertificates', { prefix: '', limit: 10 })
    assert.equal(stored.length, 2)
    for (const body of stored.map((record) => Buffer.from(record.body))) {
      assert.ok(!body.includes('PRIVATE KEY') && !body.includes(der))
    }
    for (const { key } of stored) {
      const record = (await sealed.read('serverCertificates', key)) ?? assert.fail('no record')
      assert.ok(!JSON.stringify(record.meta).includes('PRIVATE KEY'))
      assert.match(record.openValue().revealText(), /PRIVATE KEY/)
    }
  })

  for (const domain of ['', 'Upper.example', '127.0.0.1', '::1', 'a..b', '*.example.org', '-a.example', 'a b']) {
    test(`the domain '${domain}' is refused`, async () => {
      await assert.rejects(ensure((await openRecords()).sealed, movableClock(), domain), /can't be the domain/)
    })
  }
})

describe('renewal', () => {
  test('the certificate is renewed at two thirds of its life, under the same authority', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    const first = await ensure(sealed, clock)
    clock.now = first.renewAtMs - 1
    assert.equal((await ensure(sealed, clock)).renewed, false)
    clock.now = first.renewAtMs
    const second = await ensure(sealed, clock)
    assert.deepEqual([second.renewed, second.authorityIsNew], [true, false])
    assert.equal(second.caCertificatePem, first.caCertificatePem)
    assert.notEqual(second.privateKeyPem.revealText(), first.privateKeyPem.revealText())
    assert.equal(Math.round((first.renewAtMs - START_MS) / MS_PER_DAY), 60)
  })

  test('an authority that would not outlive a new certificate is replaced', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    const first = await ensure(sealed, clock)
    clock.now = START_MS + (3650 - 91) * MS_PER_DAY
    assert.equal((await ensure(sealed, clock)).authorityIsNew, false)
    clock.now = START_MS + (3650 - 89) * MS_PER_DAY
    const replaced = await ensure(sealed, clock)
    assert.deepEqual([replaced.renewed, replaced.authorityIsNew], [true, true])
    assert.notEqual(replaced.caCertificatePem, first.caCertificatePem)
  })

  test('a certificate whose names are no longer those of the domain is issued again under the same authority', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    const first = await ensure(sealed, clock)
    await changeMeta(sealed, 'localhost/server', (json) => json.replace('"metadata.localhost",', ''))
    const second = await ensure(sealed, clock)
    assert.deepEqual([second.renewed, second.authorityIsNew], [true, false])
    assert.equal(second.caCertificatePem, first.caCertificatePem)
  })

  test('an authority that may not vouch for all names is replaced', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    await ensure(sealed, clock)
    await changeMeta(sealed, 'localhost/authority', (json) => json.replace('"graph.microsoft.com"', '"graph.test"'))
    assert.equal((await ensure(sealed, clock)).authorityIsNew, true)
  })

  test('another domain gets its own authority and leaves the first one alone', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    const first = await ensure(sealed, clock)
    assert.equal((await ensure(sealed, clock, 'kv.test')).authorityIsNew, true)
    assert.equal((await ensure(sealed, clock)).caCertificatePem, first.caCertificatePem)
  })

  test('a clock before the authority began is an error, not a reason to replace it', async () => {
    const { sealed } = await openRecords()
    const clock = movableClock()
    await ensure(sealed, clock)
    clock.now = START_MS - MS_PER_DAY
    await assert.rejects(ensure(sealed, clock), /valid from 2030-01-15T11:00:00.000Z on, but this machine's clock says/)
  })
})

describe('several processes', () => {
  async function twoProcesses(): Promise<[SealedRecords, SealedRecords]> {
    const first = await openRecords()
    return [first.sealed, (await openRecords(first.store)).sealed]
  }

  test('two first calls at once end with one authority and one certificate', async () => {
    const [one, other] = await twoProcesses()
    const clock = movableClock()
    const both = await Promise.all([ensure(one, clock), ensure(other, clock)])
    assert.equal(both[0].caCertificatePem, both[1].caCertificatePem)
    assert.equal(both[0].certificateChainPem, both[1].certificateChainPem)
    assert.equal(both[0].privateKeyPem.revealText(), both[1].privateKeyPem.revealText())
    assert.equal(both.filter(({ renewed }) => renewed).length, 1)
  })

  test('two renewals at once end with one certificate', async () => {
    const [one, other] = await twoProcesses()
    const clock = movableClock()
    clock.now = (await ensure(one, clock)).renewAtMs
    const both = await Promise.all([ensure(one, clock), ensure(other, clock)])
    assert.equal(both[0].certificateChainPem, both[1].certificateChainPem)
    assert.equal(both.filter(({ renewed }) => renewed).length, 1)
  })

  test('a store that conflicts for ever is given up', async () => {
    const { sealed } = await openRecords()
    const contested: SealedRecords = {
      ...sealed,
      commit: () => Promise.reject(new StoreConflict('serverCertificates', 'localhost/server')),
    }
    await assert.rejects(ensure(contested, movableClock()), /storing the local certificates/)
  })
})

/** Clients that verify names and chain themselves, each as strictly as it can. */
describe('real clients', { timeout: 5 * COMMAND_TIMEOUT_MS }, () => {
  const names = ['dev.vault.localhost', 'hsm.managedhsm.localhost', 'login.localhost', 'localhost', 'x.vault.azure.net']
  const addresses = ['127.0.0.1', '::1']
  let folder: string
  let caFile: string
  let certificates: LocalCertificates
  let server: Server
  let port: number

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyhaven-certificates-'))
    caFile = join(folder, 'ca.pem')
    // Other programs look at the real clock, so these certificates are of today.
    certificates = await ensure((await openRecords()).sealed, systemClock)
    await writeFile(caFile, certificates.caCertificatePem)
    await writeFile(join(folder, 'server.pem'), certificates.certificateChainPem)
    server = createServer({ cert: certificates.certificateChainPem, key: certificates.privateKeyPem.reveal() }, (s) => {
      s.on('error', () => s.destroy())
      s.end('hello\n')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    port = address.port
  })

  after(async () => {
    server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const missing = (command: string, ...args: string[]) =>
    spawnSync(command, args, { timeout: COMMAND_TIMEOUT_MS }).status === 0 ? false : `${command} is not on this machine`

  test('openssl verifies the chain by its strict rules', { skip: missing('openssl', 'version') }, async () => {
    const { stdout } = await run(
      'openssl',
      ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', caFile, join(folder, 'server.pem')],
      { timeout: COMMAND_TIMEOUT_MS },
    )
    assert.match(stdout, /server\.pem: OK/)
  })

  for (const name of [...names, ...addresses]) {
    test(`Node connects as ${name}`, async () => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: certificates.caCertificatePem,
        ...(isIP(name) === 0 ? { servername: name } : {}),
        checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      })
      await once(socket, 'secureConnect')
      assert.equal(socket.getProtocol(), 'TLSv1.3')
      socket.destroy()
    })
  }

  test('Node refuses a name that is not in the certificate', async () => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: certificates.caCertificatePem,
      servername: 'www.example.org',
    })
    await assert.rejects(once(socket, 'secureConnect'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  async function expectAllConnect(file: string, source: string, command: string, ...args: string[]): Promise<void> {
    await writeFile(join(folder, file), source)
    const all = [...names, ...addresses]
    const { stdout } = await run(command, [...args, join(folder, file), String(port), caFile, ...all], {
      timeout: COMMAND_TIMEOUT_MS,
    })
    assert.deepEqual(
      stdout.trim().split('\n'),
      all.map((name) => `${name} OK`),
    )
  }

  test('Python connects by every name', { skip: missing('python3', '--version') }, async () => {
    await expectAllConnect('client.py', PYTHON_CLIENT, 'python3')
  })

  test('Go connects by every name', { skip: missing('go', 'version') }, async () => {
    await expectAllConnect('client.go', GO_CLIENT, 'go', 'run')
  })

  test('Java connects by every name', { skip: missing('javac', '-version') }, async () => {
    await expectAllConnect('Client.java', JAVA_CLIENT, 'java')
  })

  test('the authority can not vouch for other names', { skip: missing('openssl', 'version') }, async () => {
    const { stdout } = await run('openssl', ['x509', '-in', caFile, '-noout', '-text'], {
      timeout: COMMAND_TIMEOUT_MS,
    })
    const permitted = [...stdout.matchAll(/^ +DNS:(\S+)$/gm)].map(([, name]) => name)
    assert.deepEqual(permitted, [
      'localhost',
      'vault.azure.net',
      'managedhsm.azure.net',
      'login.microsoftonline.com',
      'login.windows.net',
      'management.azure.com',
      'graph.microsoft.com',
    ])
    assert.match(stdout, /Name Constraints: critical/)
    for (const name of serverNamesOf('localhost').filter((n) => isIP(n) === 0)) {
      assert.ok(
        permitted.some((parent) => `.${name}`.endsWith(`.${parent}`)),
        `${name} is not permitted`,
      )
    }
  })
})

const PYTHON_CLIENT = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.verify_flags |= ssl.VERIFY_X509_STRICT
for name in sys.argv[3:]:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw:
        with context.wrap_socket(raw, server_hostname=name):
            print(name, "OK")
`

const GO_CLIENT = `package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	for _, name := range os.Args[3:] {
		c, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], &tls.Config{RootCAs: pool, ServerName: name})
		if err != nil {
			panic(err)
		}
		c.Close()
		fmt.Println(name, "OK")
	}
}
`

const JAVA_CLIENT = `
import java.io.FileInputStream;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("ca",
        CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[1])));
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    for (int i = 2; i < args.length; i++) {
      Socket raw = new Socket("127.0.0.1", port);
      SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(raw, args[i], port, true);
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      socket.close();
      System.out.println(args[i] + " OK");
    }
  }
}
`
