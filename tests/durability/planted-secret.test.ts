/**
 * Nothing secret leaves the server but by the answers it is meant for. Unmistakable secrets go in by every way there is;
 * then everything the server left behind is searched for them, in all forms.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadSettings } from '../../src/config/settings.ts'
import { openDataFolder } from '../../src/data-folder.ts'
import { createUser } from '../../src/flows/identity-administration.ts'
import { systemClock } from '../../src/ports/clock.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { failingAuditWrites } from '../fault/failing-audit-writes.ts'
import { makeFallible } from '../support/fallible-store.ts'
import { connectTo, type RealAnswer, type RealRequest, tokenOf } from '../support/real-client.ts'
import { endLeftProcesses, type RealServer, runCommand, startRealServer, TEST_PORTS } from '../support/real-server.ts'
import { startTestServer } from '../support/test-server.ts'
import { keyMarkers } from './installation-keys.ts'
import { findSecrets, type Haystack, jsonEscaped, type Marker, textMarker } from './secret-search.ts'

const API = 'api-version=2025-07-01'
const HOST = 'dev.vault.localhost'
const root = mkdtempSync(join(tmpdir(), 'keyhaven-planted-'))
after(() => {
  endLeftProcesses()
  rmSync(root, { recursive: true, force: true })
})

/** Random, and no part of it is in another one. */
const newSecret = (what: string) => `${what}-${randomBytes(18).toString('hex')}`

/** The values of secrets in the shapes that different code may treat differently. */
const values = {
  plain: newSecret('plain'),
  base64: Buffer.from(newSecret('within-base64')).toString('base64'),
  quoted: `"${newSecret('quoted')}"\n\t\\ ${newSecret('after-escapes')}`,
  unicode: `${newSecret('unicode')} é 世界 🔑`,
  utf16: Buffer.from(newSecret('utf16'), 'utf16le').toString('latin1'),
  long: newSecret('long').padEnd(20_000, newSecret('filling')),
  updated: newSecret('second-version'),
}
/** Sent where they are refused. */
const refused = {
  malformed: newSecret('malformed-json'),
  oversize: newSecret('oversize'),
  tooLong: newSecret('too-long-value'),
  wrongType: newSecret('wrong-content-type'),
  wrongShape: newSecret('wrong-shape'),
  unknownName: newSecret('for-an-invalid-name'),
  withoutToken: newSecret('without-token'),
  clientSecret: newSecret('client-secret'),
  inQuery: newSecret('in-the-query'),
  // Names are quoted to whoever sent them, as the service does, and must be nowhere else.
  asClientId: newSecret('as-client-id'),
  asGrantType: newSecret('as-grant-type'),
  asScope: newSecret('as-scope'),
  inPath: newSecret('in-the-path'),
  basic: newSecret('basic-header'),
  assertion: newSecret('assertion'),
  password: newSecret('password'),
  refreshToken: newSecret('refresh-token'),
  bearer: newSecret('bearer-token'),
  identityHeader: newSecret('identity-header'),
  blob: newSecret('backup-blob'),
}
const password = newSecret('password-of-a-user')

const markersOf = (group: string, texts: Readonly<Record<string, string>>): Marker[] =>
  Object.entries(texts).flatMap(([name, text]) => {
    const whole = textMarker(`${group} ${name}`, text.slice(0, 200))
    // What base64 or UTF-16 hides is a secret as well.
    const inner =
      name === 'base64' ? Buffer.from(text, 'base64') : name === 'utf16' ? Buffer.from(text, 'latin1') : undefined
    return inner === undefined ? [whole] : [whole, { name: `${group} ${name}, decoded`, bytes: inner }]
  })

function filesIn(folder: string): Haystack[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ name: path.slice(folder.length + 1), bytes: readFileSync(path) }))
}

const commandLineOf = (pid: number): Haystack => ({
  name: `command line of ${pid}`,
  bytes: readFileSync(`/proc/${pid}/cmdline`),
})

/** Collects what is answered; a `meant` answer may have the secret that was asked for, or quote the name that was sent. */
class Conversation {
  readonly heard: Haystack[] = []
  readonly #client: ReturnType<typeof connectTo>
  readonly #token: string

  constructor(server: RealServer, token: string) {
    this.#client = connectTo(server.ready)
    this.#token = token
  }

  async ask(request: Partial<RealRequest> & Pick<RealRequest, 'path'>, meant = false): Promise<RealAnswer> {
    const answer = await this.#client.send({ method: 'GET', host: HOST, token: this.#token, ...request })
    const what = `answer to ${request.method ?? 'GET'} ${request.path.slice(0, 40)}`
    this.heard.push({ name: `headers of ${what}`, bytes: Buffer.from(JSON.stringify(answer.headers)) })
    if (!meant) this.heard.push({ name: what, bytes: Buffer.from(answer.text) })
    return answer
  }

  vault(method: string, path: string, body?: unknown, more: Partial<RealRequest> = {}): Promise<RealAnswer> {
    return this.ask({ method, path: `${path}?${API}`, body, ...more })
  }

  login(
    path: string,
    form: Readonly<Record<string, string>>,
    { headers = {}, meant = false }: { headers?: Readonly<Record<string, string>>; meant?: boolean } = {},
  ): Promise<RealAnswer> {
    return this.ask(
      {
        method: 'POST',
        host: 'login.localhost',
        path,
        body: new URLSearchParams(form).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        token: undefined,
      },
      meant,
    )
  }

  close(): void {
    this.#client.close()
  }
}

/** All twelve operations with real values. */
async function useEverything(talk: Conversation): Promise<Haystack[]> {
  const blobs: Haystack[] = []
  for (const [name, value] of Object.entries(values)) {
    // Half of the values arrive with each character escaped.
    const body = name.length % 2 === 0 ? `{"value":"${jsonEscaped(value)}"}` : JSON.stringify({ value })
    const set = await talk.ask({ method: 'PUT', path: `/secrets/${name}?${API}`, body }, true)
    assert.equal(set.status, 200, set.text)
    assert.equal(set.json.value, value)
    const got = await talk.ask({ path: `/secrets/${name}?${API}` }, true)
    assert.equal(got.json.value, value)
    await talk.ask({ method: 'PUT', path: `/secrets/${name}?${API}`, body: { value: values.updated } }, true)
    const version = String(set.json.id).slice(-32)
    assert.equal((await talk.vault('PATCH', `/secrets/${name}/${version}`, { tags: { a: 'b' } })).status, 200)
    assert.equal((await talk.vault('GET', `/secrets/${name}/versions`)).json.value.length, 2)
    const backup = await talk.vault('POST', `/secrets/${name}/backup`)
    const outer = Buffer.from(backup.json.value, 'base64url')
    blobs.push({ name: `backup of ${name}`, bytes: outer })
    for (const part of outer.toString('latin1').split('.')) {
      blobs.push({ name: `part of the backup of ${name}`, bytes: Buffer.from(part, 'base64url') })
    }
    assert.equal((await talk.vault('DELETE', `/secrets/${name}`)).status, 200)
    assert.equal((await talk.vault('GET', `/deletedsecrets/${name}`)).status, 200)
    assert.equal((await talk.vault('POST', `/deletedsecrets/${name}/recover`)).status, 200)
    await talk.vault('DELETE', `/secrets/${name}`)
    assert.equal((await talk.vault('DELETE', `/deletedsecrets/${name}`)).status, 204)
    assert.equal((await talk.vault('POST', '/secrets/restore', { value: backup.json.value })).status, 200)
    assert.equal((await talk.vault('POST', '/secrets/restore', { value: backup.json.value })).status, 409)
  }
  for (const path of ['/secrets', '/deletedsecrets']) assert.equal((await talk.vault('GET', path)).status, 200)
  return blobs
}

/** Secrets where they do not belong; everything here is refused. */
async function beRefused(talk: Conversation, { ready }: RealServer): Promise<void> {
  const { tenantId, clientId } = ready
  const text = { 'content-type': 'text/plain' }
  const statuses = [
    await talk.vault('PUT', '/secrets/one', `{"value":"${refused.malformed}`),
    await talk.vault('PUT', '/secrets/one', `{"value":"${refused.malformed}",}`),
    await talk.vault('PUT', '/secrets/one', refused.malformed),
    await talk.vault('PUT', '/secrets/one', { value: refused.tooLong.repeat(600) }),
    await talk.vault('PUT', '/secrets/one', JSON.stringify({ value: refused.wrongType }), { headers: text }),
    await talk.vault('PUT', '/secrets/one', { value: { inner: refused.wrongShape } }),
    await talk.vault('PUT', '/secrets/one', { value: [refused.wrongShape] }),
    await talk.vault('PUT', '/secrets/one', { secret: refused.wrongShape }),
    await talk.vault('PUT', '/secrets/no_name', { value: refused.unknownName }),
    await talk.vault('PATCH', '/secrets/plain', { value: refused.wrongShape, attributes: { enabled: 'maybe' } }),
    await talk.vault('PUT', '/secrets/one', { value: refused.withoutToken }, { token: undefined }),
    await talk.vault('PUT', '/secrets/one', { value: refused.withoutToken }, { host: 'other.vault.localhost' }),
    await talk.vault('GET', '/secrets/plain', undefined, { token: refused.bearer }),
    await talk.vault('POST', '/secrets/restore', { value: refused.blob }),
    await talk.vault('POST', '/secrets/restore', { value: Buffer.from(refused.blob).toString('base64url') }),
  ].map(({ status }) => status)
  assert.ok(
    statuses.every((status) => status >= 400 && status < 500),
    statuses.join(),
  )
  // The connection may be cut before all of it was sent.
  await talk.vault('PUT', '/secrets/one', { value: refused.oversize.repeat(8_000) }).catch(() => undefined)

  const tokenPath = `/${tenantId}/oauth2/v2.0/token`
  const app = { grant_type: 'client_credentials', client_id: clientId, scope: 'https://vault.azure.net/.default' }
  const logins = [
    await talk.login(tokenPath, { ...app, client_secret: refused.clientSecret }),
    await talk.login(tokenPath, { ...app, client_secret: `${ready.clientSecret}x` }),
    await talk.login(tokenPath, { ...app, client_id: refused.asClientId }, { meant: true }),
    await talk.login(tokenPath, { ...app, client_secret: ready.clientSecret, scope: refused.asScope }, { meant: true }),
    await talk.login(tokenPath, { ...app, grant_type: refused.asGrantType }, { meant: true }),
    await talk.login(`${tokenPath}?client_secret=${refused.inQuery}`, app),
    await talk.login(`/${refused.inPath}/oauth2/v2.0/token`, app, { meant: true }),
    await talk.login(`/${refused.inPath}`, app, { meant: true }),
    await talk.login(`/${refused.inPath}/v2.0/.well-known/openid-configuration`, app, { meant: true }),
    await talk.login(tokenPath, { ...app, client_assertion: refused.assertion, client_assertion_type: 'jwt-bearer' }),
    await talk.login(tokenPath, { ...app, client_assertion: `${refused.assertion}.e30.x` }),
    await talk.login(tokenPath, app, {
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${refused.basic}`).toString('base64')}` },
    }),
    await talk.login(tokenPath, { ...app, grant_type: 'password', username: 'user@test', password: refused.password }),
    await talk.login(tokenPath, { ...app, grant_type: 'refresh_token', refresh_token: refused.refreshToken }),
    await talk.login(
      tokenPath,
      { client_secret: refused.clientSecret },
      { headers: { 'content-type': 'application/json' } },
    ),
  ].map(({ status }) => status)
  assert.ok(
    logins.every((status) => status >= 400 && status < 500),
    logins.join(),
  )
}

/** The local endpoints without TLS. */
function plain(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, headers: { ...headers, metadata: 'true' } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
    })
      .on('error', reject)
      .end()
  })
}

test('no secret is in any file, log, answer, metric or command line of a server', async () => {
  const folder = join(root, 'data')
  const ports = [...TEST_PORTS.slice(0, -1), '0', '--metrics-port', '0']
  const start = () => startRealServer(['dev', '--json', '--data', folder, ...ports, '--log-level', 'debug'])
  const haystacks: Haystack[] = []
  const given: Marker[] = []
  const noteOutput = ({ stdout, stderr, pid }: RealServer) => {
    haystacks.push({ name: 'standard error', bytes: Buffer.from(stderr()) })
    // The one line that tells a developer how to log in is meant to.
    const [, ...others] = stdout().split('\n')
    haystacks.push({ name: 'standard output', bytes: Buffer.from(others.join('\n')) }, commandLineOf(pid))
  }

  const first = await start()
  const { ready } = first
  const client = connectTo(ready)
  const token = await tokenOf(client, ready)
  client.close()
  given.push(
    textMarker('client secret', ready.clientSecret),
    textMarker('header of the managed identity', ready.identityHeader),
    textMarker('token', token.slice(-200)),
    textMarker('start of a token', token.slice(0, 200)),
  )
  const talk = new Conversation(first, token)
  haystacks.push(...(await useEverything(talk)))
  await beRefused(talk, first)

  const identityPort = ready.managedIdentityPort ?? assert.fail()
  const identityPath = '/msi/token?resource=https://vault.azure.net&api-version=2019-08-01'
  const byIdentity = await plain(identityPort, identityPath, { 'x-identity-header': ready.identityHeader })
  assert.match(byIdentity, /^200 /)
  given.push(textMarker('token of the managed identity', JSON.parse(byIdentity.slice(4)).access_token.slice(-200)))
  for (const path of [identityPath, `${identityPath}&secret=${refused.inQuery}`, `/${refused.inPath}`]) {
    const answer = await plain(identityPort, path, { 'x-identity-header': refused.identityHeader })
    assert.match(answer, /^4/)
    haystacks.push({ name: 'answer of the managed identity endpoint', bytes: Buffer.from(answer) })
  }

  const settings = { ...loadSettings('development', {}, {}), dataFolder: folder }
  const data = await openDataFolder({ settings, random: systemRandom, mayCreate: false })
  await createUser(
    { records: data.installation, clock: systemClock, random: systemRandom },
    { userPrincipalName: 'user@test', displayName: 'A user', password, tenantId: ready.tenantId },
  )
  await data.close()
  const signIn = {
    grant_type: 'password',
    client_id: ready.clientId,
    username: 'user@test',
    scope: 'https://vault.azure.net/.default',
  }
  await talk.login(`/${ready.tenantId}/oauth2/v2.0/token`, { ...signIn, password: refused.password })
  // What is answered to the right one is a token, so it goes by another way.
  const other = connectTo(ready)
  const signedIn = await other.send({
    method: 'POST',
    host: 'login.localhost',
    path: `/${ready.tenantId}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ...signIn, client_secret: ready.clientSecret, password }).toString(),
  })
  other.close()
  for (const [name, text] of Object.entries(signedIn.json)) {
    if (/token$/.test(name)) given.push(textMarker(`${name} of a user`, String(text).slice(-200)))
  }

  // A kill in the middle of writing, and what the next start makes of it.
  const writing = Array.from({ length: 20 }, (_, number) =>
    talk
      .ask({ method: 'PUT', path: `/secrets/killed-${number}?${API}`, body: { value: values.plain } }, true)
      .catch(() => undefined),
  )
  await Promise.all([writing[0], writing[1]])
  noteOutput(first)
  await first.kill()
  haystacks.push({ name: 'standard error to the end', bytes: Buffer.from(first.stderr()) })
  talk.close()
  haystacks.push(...filesIn(folder).map(({ name, bytes }) => ({ name: `${name} after the kill`, bytes })))

  const second = await start()
  const secondTalk = new Conversation(second, token)
  await beRefused(secondTalk, second)
  haystacks.push({
    name: 'metrics',
    bytes: Buffer.from(await plain(second.ready.metricsPort ?? assert.fail(), '/metrics')),
  })
  const copy = join(root, 'copy.db')
  for (const args of [
    ['backup', '--to', copy],
    ['doctor', '--json'],
    ['audit', 'verify', '--json'],
    ['audit', 'tail'],
    ['vault', 'list', '--json'],
    ['app', 'list', '--json'],
    ['keys', 'rotate-root'],
    ['keys', 'rotate-vault', '--all'],
  ]) {
    const { code, stdout, stderr } = await runCommand([...args, '--data', folder])
    assert.equal(code, 0, stderr)
    haystacks.push({ name: `output of ${args.join(' ')}`, bytes: Buffer.from(stdout + stderr) })
  }
  noteOutput(second)
  secondTalk.close()
  const running = filesIn(folder)
  const { markers: keys, rootKey } = await keyMarkers(folder)
  assert.deepEqual(await second.stop(), { code: 0, signal: null })
  haystacks.push(
    ...running.map(({ name, bytes }) => ({ name: `${name} while it runs`, bytes })),
    ...filesIn(folder),
    { name: 'backup', bytes: readFileSync(copy) },
    ...talk.heard,
    ...secondTalk.heard,
  )

  const searched = haystacks.filter(({ name }) => !name.startsWith('root.key'))
  assert.ok(searched.some(({ name }) => name.startsWith('keyhaven.db')))
  assert.ok(searched.some(({ name }) => name.endsWith('.jsonl')))
  assert.ok(searched.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) > 1_000_000)
  const markers = [
    ...markersOf('value', values),
    ...markersOf('refused', refused),
    textMarker('password', password),
    ...given,
    ...keys,
    rootKey,
  ]
  assert.deepEqual(findSecrets(markers, searched), [])
  // The search itself works: the root key is where it belongs.
  assert.deepEqual(findSecrets([rootKey], filesIn(folder)), ['root key in root.key (hexadecimal)'])
})

test('no secret is in the log or the answers of a server whose store and audit log fail', async () => {
  using writes = failingAuditWrites()
  let faults: ReturnType<typeof makeFallible> | undefined
  const server = await startTestServer(
    {},
    {
      wrapStore(data) {
        faults = makeFallible(data.store)
        return data
      },
    },
  )
  const heard: Haystack[] = []
  const vault = server.vault('dev')
  // Logs the administrator in.
  await vault('GET', '/secrets')
  try {
    for (const [name, value] of Object.entries(values)) {
      for (const [method, path, body] of [
        ['PUT', `/secrets/${name}`, { value }],
        ['GET', `/secrets/${name}`, undefined],
        ['POST', `/secrets/${name}/backup`, undefined],
        ['DELETE', `/secrets/${name}`, undefined],
        ['POST', `/deletedsecrets/${name}/recover`, undefined],
      ] as const) {
        for (let call = 1; call < 40; call++) {
          // An error that carries along what it was about, as some libraries' errors do not but might.
          faults?.failAt(call, 'before')
          const answer = await vault(method, path, body)
          if (faults?.mend() === undefined) break
          // The call that failed may have been of work behind the requests; what each answer is, tests/fault asks.
          assert.ok(answer.status === 503 || answer.status < 500)
          if (answer.status === 503)
            heard.push({ name: `${method} ${path}`, bytes: Buffer.from(answer.text + JSON.stringify(answer.headers)) })
        }
        writes.failAt(1, 'part')
        const answer = await vault(method, path, body)
        assert.equal(answer.status, 503)
        heard.push({ name: `${method} ${path} unrecorded`, bytes: Buffer.from(answer.text) })
        await vault(method, path, body)
      }
    }
    heard.push({ name: 'log', bytes: Buffer.from(server.logged()) }, ...filesIn(server.folder))
  } finally {
    await server.stop()
  }
  assert.ok(server.logged().length > 10_000)
  assert.deepEqual(findSecrets(markersOf('value', values), heard), [])
})
