/** The whole audit record of each operation, in the member names of the real service's storage form. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { vaultScope } from '../../../src/domain/vaults/vault.ts'
import { startTestServer, type TestAnswer, type TestServer } from '../../support/test-server.ts'
import { versionOf } from '../../support/vault-answers.ts'
import { vaultOperations } from './vault-requests.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

test('every operation that is done leaves one record that names caller, object and grant', async () => {
  const vault = await server.newVault()
  const app = await server.newApp()
  await server.assign(vault, app.objectId, 'Key Vault Secrets Officer')
  const base = `https://${vault.name}.vault.localhost:${server.port}`
  const done: {
    readonly auditName: string
    readonly id: string | undefined
    readonly path: string
    readonly answer: TestAnswer
  }[] = []
  const call = async (auditName: string, id: string | undefined, method: string, path: string, body?: unknown) => {
    const headers = { 'x-ms-client-request-id': `of ${auditName}`, 'user-agent': 'azsdk-test/1.0' }
    const answer = await server.vault(vault.name)(method, path, body, { token: app.token, headers })
    assert.ok(answer.status < 300, answer.text)
    done.push({ auditName, id, path, answer })
    return answer
  }
  const version = versionOf(await call('SecretSet', '/secrets/Name', 'PUT', '/secrets/Name', { value: 'the-value' }))
  await call('SecretGet', '/secrets/NAME', 'GET', '/secrets/NAME')
  await call('SecretGet', `/secrets/Name/${version}`, 'GET', `//Secrets/N%61me/${version}/`)
  await call('SecretUpdate', `/secrets/Name/${version}`, 'PATCH', `/secrets/Name/${version}`, {
    tags: { a: 'the-value' },
  })
  await call('SecretList', undefined, 'GET', '/secrets')
  await call('SecretListVersions', '/secrets/Name', 'GET', '/secrets/Name/versions')
  const backup = await call('SecretBackup', '/secrets/Name', 'POST', '/secrets/Name/backup')
  await call('SecretDelete', '/secrets/Name', 'DELETE', '/secrets/Name')
  await call('SecretGetDeleted', '/deletedsecrets/Name', 'GET', '/deletedsecrets/Name')
  await call('SecretListDeleted', undefined, 'GET', '/deletedsecrets')
  await call('SecretRecover', '/deletedsecrets/Name', 'POST', '/deletedsecrets/Name/recover')
  await call('SecretDelete', '/secrets/Name', 'DELETE', '/secrets/Name')
  await call('SecretPurge', '/deletedsecrets/Name', 'DELETE', '/deletedsecrets/Name')
  await call('SecretRestore', undefined, 'POST', '/secrets/restore', { value: backup.json.value })
  assert.deepEqual(
    vaultOperations
      .map(({ auditName }) => auditName)
      .filter((name) => !done.some(({ auditName }) => auditName === name)),
    [],
    'every operation of the table is in this walk',
  )

  const lines = server.auditLines()
  for (const { auditName, id, path, answer } of done) {
    const requestId = answer.headers['x-ms-request-id']
    const [record, ...more] = lines.filter(({ properties }) => properties.requestId === requestId)
    assert.equal(more.length, 0)
    const { chain, ...members } = record
    assert.equal(typeof chain, 'object')
    assert.deepEqual(members, {
      time: '2026-01-15T12:00:00.0000000Z',
      resourceId: vaultScope(vault).toUpperCase(),
      operationName: auditName,
      operationVersion: '2026-04-01',
      category: 'AuditEvent',
      resultType: 'Success',
      resultSignature: answer.status === 204 ? 'No Content' : 'OK',
      resultDescription: '',
      durationMs: '0',
      callerIpAddress: '127.0.0.1',
      correlationId: `of ${auditName}`,
      identity: { claim: { oid: app.objectId, appid: app.clientId, appidacr: '1', idtyp: 'app' } },
      properties: {
        ...(id === undefined ? {} : { id: `${base}${id}` }),
        clientInfo: 'azsdk-test/1.0',
        requestUri: `${base}${path}?api-version=2026-04-01`,
        httpStatusCode: answer.status,
        tlsVersion: 'TLS1_3',
        isRbacAuthorized: true,
        appliedAssignmentId: answer.headers['x-ms-keyvault-rbac-assignment-id'],
        isAddressAuthorized: true,
        subnetId: '(unknown)',
        requestId,
      },
    })
  }
  assert.ok(!JSON.stringify(lines).includes('the-value'))
  assert.ok(!JSON.stringify(lines).includes(backup.json.value))
})

test('a refused request is recorded with its reason, and never with what its body holds', async () => {
  const vault = await server.newVault()
  const call = server.vault(vault.name)
  for (const [method, path, body, status, signature] of [
    ['GET', '/secrets/none', undefined, 404, 'Not Found'],
    ['PUT', '/secrets/s', { value: ['the-value'] }, 400, 'Bad Request'],
    ['PUT', '/secrets/s', '{"value":"the-value', 400, 'Bad Request'],
    ['POST', '/secrets/restore', { value: 'the-value' }, 400, 'Bad Request'],
    ['PATCH', '/secrets/s', { tags: { 'the-value': 5 } }, 400, 'Bad Request'],
  ] as const) {
    const answer = await call(method, path, body)
    assert.equal(answer.status, status)
    const record = server
      .auditLines()
      .find(({ properties }) => properties.requestId === answer.headers['x-ms-request-id'])
    assert.deepEqual([record.resultSignature, record.properties.httpStatusCode], [signature, status])
    assert.equal(record.resultDescription, answer.json.error.message.split('\r\n')[0])
    assert.ok(!JSON.stringify(record).includes('the-value'))
  }
})

test('what a client sends for its record is kept within limits and cannot forge another one', async () => {
  const call = server.vault((await server.newVault()).name)
  const headers = { 'user-agent': `"}\\n{"x":"${'a'.repeat(5_000)}`, 'x-ms-client-request-id': 'b'.repeat(5_000) }
  const before = server.auditLines().length
  const answer = await call(
    'GET',
    `/secrets/${'c'.repeat(500)}/${'d'.repeat(500)}?api-version=7.4&x=${'e'.repeat(9_000)}`,
    undefined,
    { headers },
  )
  const after = server.auditLines()
  assert.equal(after.length, before + 1)
  const record = after.at(-1)
  assert.equal(record.properties.requestId, answer.headers['x-ms-request-id'])
  assert.ok(record.properties.clientInfo.startsWith('"}\\n{"x":"aaa') && record.properties.clientInfo.length <= 512)
  assert.ok(record.properties.requestUri.length <= 2_048)
  assert.equal(record.correlationId, '')
})
