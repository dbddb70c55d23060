/** A grant that ends while a request is still arriving does not count for it any more. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { listRoleAssignments, removeRoleAssignment } from '../../src/flows/manage-role-assignments.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

test('a role taken away before the body has arrived does not let the request through', async () => {
  const vault = await server.newVault()
  const app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Secrets Officer')
  const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
  const answered = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())))
  const body = '{"value":"late"}'
  const head = [
    'PUT /secrets/late?api-version=7.4 HTTP/1.1',
    `Host: ${vault.name}.vault.localhost:${server.port}`,
    `Authorization: Bearer ${app.token}`,
    `Content-Length: ${body.length}`,
    'Expect: 100-continue',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  assert.match(await answered, /^HTTP\/1\.1 100 /)
  // An answered request later on the same turn order means the one above waits for its body.
  await server.vault(vault.name)('GET', '/secrets', undefined, { token: app.token })
  for (const { id, principalId } of await listRoleAssignments(server.data.installation)) {
    if (principalId === app.objectId) await removeRoleAssignment(server.data.installation, id)
  }
  const final = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())))
  socket.write(body)
  assert.match(await final, /^HTTP\/1\.1 403 /)
  socket.destroy()
})
