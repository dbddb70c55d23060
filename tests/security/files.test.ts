/** What lies in the data folder of a running server: nothing secret in the clear, nothing that others may read. */
import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../support/test-server.ts'

const CANARY = 'canary-1f0e2d3c4b5a'
/** The certificate of the authority is for everybody; the folder around it is not. */
const PUBLIC_FILES = new Set(['ca.pem', 'ca-bundle.pem'])

let folder: string
let server: TestServer
before(async () => {
  folder = join(mkdtempSync(join(tmpdir(), 'keyhaven-files-')), 'data')
  server = await startTestServer({ dataFolder: folder, engine: 'sqlite' })
  await server.vault('dev')('PUT', '/secrets/s', { value: CANARY, contentType: CANARY, tags: { [CANARY]: CANARY } })
  await server.vault('dev')('DELETE', '/secrets/s')
})
after(async () => {
  await server.stop()
  rmSync(join(folder, '..'), { recursive: true, force: true })
})

const entries = () =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => ({ name, path: join(folder, name) }))

test('the folder and everything in it is its owner\u2019s alone', () => {
  assert.equal(lstatSync(folder).mode & 0o777, 0o700)
  for (const { name, path } of entries()) {
    const status = lstatSync(path)
    assert.ok(!status.isSymbolicLink(), name)
    const expected = status.isDirectory() ? 0o700 : PUBLIC_FILES.has(name) ? 0o644 : 0o600
    assert.equal((status.mode & 0o777).toString(8), expected.toString(8), name)
  }
})

test('no file has a value, a content type, a tag, a client secret or a token in the clear', async () => {
  const app = await server.newApp()
  await server.vault('dev')('GET', '/secrets', undefined, { token: app.token })
  for (const { name, path } of entries()) {
    if (!lstatSync(path).isFile()) continue
    const bytes = readFileSync(path).toString('latin1')
    for (const secret of [CANARY, app.clientSecret, app.token, app.token.split('.')[2] ?? '', 'PRIVATE KEY']) {
      assert.ok(!bytes.includes(secret), `${name} holds ${secret.slice(0, 12)}`)
      assert.ok(!bytes.includes(Buffer.from(secret).toString('base64').slice(0, -3)), name)
    }
  }
  assert.ok(!server.logged().includes(CANARY))
})
