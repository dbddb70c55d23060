/**
 * Every operation that needs a permission, against everything that may be wrong with a request before its handler is
 * asked. The cases come from the table: an operation added to it is tested here without a line of its own.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Vault } from '../../../src/domain/vaults/vault.ts'
import { vaultScope } from '../../../src/domain/vaults/vault.ts'
import {
  startTestServer,
  type TestAnswer,
  type TestApp,
  type TestRequest,
  type TestServer,
} from '../../support/test-server.ts'
import { assertRefused, assertVaultHeaders, type ExpectedRefusal } from '../../support/vault-answers.ts'
import { CANARY, type VaultOperation, vaultOperations } from './vault-requests.ts'

const VERSION = 'api-version=2026-04-01'
const MAX_BODY_BYTES = 262_144
const MAX_RESTORE_BODY_BYTES = 33_554_432

let server: TestServer
let vault: Vault
let blocked: Vault
let otherTenantsVault: Vault
let nobody: TestApp
let stranger: TestApp
let host: string
before(async () => {
  server = await startTestServer()
  vault = await server.newVault()
  blocked = await server.newVault({ networkAcls: { bypass: 'None', defaultAction: 'Deny', ipRules: ['192.0.2.0/24'] } })
  nobody = await server.newApp()
  const tenantId = await server.newTenant()
  stranger = await server.newApp({ tenantId })
  otherTenantsVault = await server.newVault({ tenantId })
  host = `${vault.name}.vault.localhost`
})
after(() => server.stop())

interface Asked extends Partial<TestRequest> {
  readonly query?: string
  readonly expectAudit: { readonly operationName: string; readonly vault?: Vault | undefined }
}

/** Sends the operation's request with something changed, and checks the one audit record it leaves. */
async function ask(
  operation: VaultOperation,
  { query = VERSION, expectAudit, ...changed }: Asked,
): Promise<TestAnswer> {
  const { method, path, body } = operation
  const clientRequestId = crypto.randomUUID()
  const answer = await server.send({
    method,
    host,
    path: query === '' ? path : `${path}?${query}`,
    body,
    ...changed,
    headers: { 'x-ms-client-request-id': clientRequestId, 'user-agent': 'table-test', ...changed.headers },
  })
  const records = server.auditLines().filter(({ correlationId }) => correlationId === clientRequestId)
  assert.equal(records.length, 1, `${records.length} audit records`)
  const [record] = records
  const { operationName, vault: expectedVault } = expectAudit
  assert.deepEqual(
    {
      operationName: record.operationName,
      resourceId: record.resourceId,
      httpStatusCode: record.properties.httpStatusCode,
      resultType: record.resultType,
      requestId: record.properties.requestId,
      clientInfo: record.properties.clientInfo,
      callerIpAddress: record.callerIpAddress,
      category: record.category,
    },
    {
      operationName,
      resourceId: expectedVault === undefined ? '' : vaultScope(expectedVault).toUpperCase(),
      httpStatusCode: answer.status,
      resultType: 'Success',
      requestId: answer.headers['x-ms-request-id'],
      clientInfo: 'table-test',
      callerIpAddress: '127.0.0.1',
      category: 'AuditEvent',
    },
  )
  assert.ok(!JSON.stringify(record).includes(CANARY), 'the value is in the audit record')
  return answer
}

function assertChallenged(answer: TestAnswer, tenantId: string, message: string): void {
  assertRefused(answer, 401, { code: 'Unauthorized', message })
  const base = `localhost:${server.port}`
  assert.equal(
    answer.headers['www-authenticate'],
    `Bearer authorization="https://login.${base}/${tenantId}", resource="https://vault.${base}"`,
  )
}

const authentication = () => ({ operationName: 'Authentication', vault })
const loginUrl = (tenantId: string) => `https://login.localhost:${server.port}/${tenantId}/`

const TOKEN_MISSING = 'AKV10000: Request is missing a Bearer or PoP token.'
const TOKEN_MALFORMED = 'AKV10001: Error validating token: the token is not a well-formed JWT that this vault accepts.'
const BAD_SIGNATURE = 'AKV10001: Error validating token: the signature is not valid.'
const hostUnknown: ExpectedRefusal = { code: 'NotFound', message: 'No vault or service answers to this host name.' }
const notJson: ExpectedRefusal = { code: 'BadParameter', message: 'The request body is not well-formed JSON.' }
const noJsonType: ExpectedRefusal = {
  code: 'UnsupportedMediaType',
  message: 'The request body must be JSON, sent with content-type application/json.',
}

test('the table has operations to test', () => {
  assert.ok(vaultOperations.length >= 12)
})

for (const operation of vaultOperations) {
  const { id, auditName } = operation
  const here = () => ({ operationName: auditName, vault })
  /** The operation's own limit; a restore brings a whole backup. */
  const maxBytes = id === 'RestoreSecret' ? MAX_RESTORE_BODY_BYTES : MAX_BODY_BYTES

  test(`${id} without a token is challenged, whatever else is wrong`, async () => {
    const answer = await ask(operation, { token: null, expectAudit: authentication() })
    assertChallenged(answer, server.tenantId, TOKEN_MISSING)
    const { headers } = answer
    const clientRequestId = String(headers['x-ms-client-request-id'])
    const more = { 'www-authenticate': String(headers['www-authenticate']) }
    assertVaultHeaders(answer, { byRole: false, clientRequestId, more })
    // The first request of a client comes with an empty body, and nothing of it is judged before the token.
    for (const changed of [{ body: undefined }, { query: '' }, { body: '{', query: 'api-version=x' }]) {
      const again = await ask(operation, { ...changed, token: null, expectAudit: authentication() })
      assertChallenged(again, server.tenantId, TOKEN_MISSING)
    }
  })

  test(`${id} with an authorization that is no bearer token is challenged`, async () => {
    for (const [authorization, message] of [
      ['Basic YTpi', TOKEN_MISSING],
      ['Bearer', TOKEN_MISSING],
      ['Bearer ', TOKEN_MISSING],
      ['Bearer junk', TOKEN_MALFORMED],
      [`Bearer ${nobody.token.slice(0, nobody.token.lastIndexOf('.') + 1)}`, BAD_SIGNATURE],
      [`Bearer ${withAnotherSignature(nobody.token)}`, BAD_SIGNATURE],
    ] as const) {
      const answer = await ask(operation, { token: null, headers: { authorization }, expectAudit: authentication() })
      assertChallenged(answer, server.tenantId, message)
    }
  })

  test(`${id} with a token of another tenant is challenged`, async () => {
    const answer = await ask(operation, { token: stranger.token, expectAudit: authentication() })
    const own = loginUrl(server.tenantId)
    const other = loginUrl(otherTenantsVault.tenantId)
    assertChallenged(answer, server.tenantId, `AKV10032: Invalid issuer. Expected one of ${own}, found ${other}.`)
  })

  test(`${id} with a token for another resource is challenged`, async () => {
    const token = await server.tokenFor(nobody.clientId, nobody.clientSecret, 'https://management.azure.com')
    const answer = await ask(operation, { token, expectAudit: authentication() })
    const found = 'found: https://management.azure.com.'
    const message = `AKV10022: Invalid audience. Expected https://vault.localhost:${server.port}, ${found}`
    assertChallenged(answer, server.tenantId, message)
  })

  test(`${id} at a vault of another tenant names that tenant in the challenge`, async () => {
    const answer = await ask(operation, {
      host: `${otherTenantsVault.name}.vault.localhost`,
      token: null,
      expectAudit: { operationName: 'Authentication', vault: otherTenantsVault },
    })
    assertChallenged(answer, otherTenantsVault.tenantId, TOKEN_MISSING)
  })

  test(`${id} with a token without a role is refused and told what is missing`, async () => {
    const answer = await ask(operation, { token: nobody.token, expectAudit: here() })
    const iss = loginUrl(server.tenantId)
    assertRefused(answer, 403, {
      code: 'Forbidden',
      inner: 'ForbiddenByRbac',
      message: [
        'Caller is not authorized to perform action on resource.',
        'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
        `Caller: appid=${nobody.clientId};oid=${nobody.objectId};iss=${iss}`,
        `Action: '${operation.permission.dataAction}'`,
        `Resource: '${vaultScope(vault)}${operation.resourceBelowVault}'`,
        'Assignment: (not found)',
        'DenyAssignmentId: null',
        'DecisionReason: null ',
        `Vault: ${vault.name};location=local`,
        '',
      ].join('\r\n'),
    })
    assertVaultHeaders(answer, { byRole: false, clientRequestId: String(answer.headers['x-ms-client-request-id']) })
  })

  test(`${id} at a vault that does not exist is refused, and only to callers with a token`, async () => {
    const unknown = { host: 'no-such-vault.vault.localhost' }
    const expectAudit = { operationName: auditName, vault: undefined }
    assertRefused(await ask(operation, { ...unknown, expectAudit }), 404, hostUnknown)
    assertRefused(await ask(operation, { ...unknown, token: nobody.token, expectAudit }), 404, hostUnknown)
    const challenged = { operationName: 'Authentication', vault: undefined }
    const answer = await ask(operation, { ...unknown, token: null, expectAudit: challenged })
    assertChallenged(answer, server.tenantId, TOKEN_MISSING)
  })

  test(`${id} from an address that the vault does not let in is refused`, async () => {
    const expectAudit = { operationName: auditName, vault: blocked }
    const answer = await ask(operation, { host: `${blocked.name}.vault.localhost`, token: nobody.token, expectAudit })
    const caller = `appid=${nobody.clientId};oid=${nobody.objectId};iss=${loginUrl(server.tenantId)}`
    assertRefused(answer, 403, {
      code: 'Forbidden',
      inner: 'ForbiddenByFirewall',
      message: `Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\nCaller: ${caller}\r\nVault: ${blocked.name};location=local`,
    })
  })

  test(`${id} without an api-version is refused`, async () => {
    for (const query of ['', 'api-version=', 'Version=7.4']) {
      assertRefused(await ask(operation, { query, expectAudit: here() }), 400, {
        code: 'BadParameter',
        message: 'The api-version query parameter (?api-version=) is required for all requests.',
      })
    }
  })

  test(`${id} with an api-version that is none is refused`, async () => {
    for (const text of [
      'x',
      '7',
      '7.',
      'v7.4',
      '7.4.1',
      '2025-7-1',
      '20250701',
      '7.4-beta',
      '7.4;',
      '-1',
      'a'.repeat(64),
    ]) {
      assertRefused(await ask(operation, { query: `api-version=${text}`, expectAudit: here() }), 400, {
        code: 'BadParameter',
        message: `The api-version '${text}' is not valid. Use a version such as 7.4 or 2025-07-01.`,
      })
    }
  })

  test(`${id} by a method that its path does not have is refused`, async () => {
    for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
      if (operation.pathMethods.includes(method)) continue
      const answer = await ask(operation, { method, expectAudit: { operationName: 'UnknownOperation', vault } })
      assertRefused(answer, 405, { code: 'MethodNotAllowed', message: `The method ${method} is not allowed here.` })
    }
  })

  if (operation.body === undefined) {
    test(`${id} reads no body, so nothing about one is refused`, async () => {
      const plain = await ask(operation, { expectAudit: here() })
      for (const body of ['{', 'x'.repeat(maxBytes + 1)]) {
        const headers = { 'content-type': 'text/plain' }
        const answer = await ask(operation, { body, headers, expectAudit: here() })
        assert.deepEqual([answer.status, answer.text], [plain.status, plain.text])
      }
    })
  } else {
    test(`${id} with a body over its limit is refused`, async () => {
      const answer = await ask(operation, { body: `"${CANARY.padEnd(maxBytes, 'x')}"`, expectAudit: here() })
      const message = `The request body is larger than ${maxBytes} bytes.`
      assertRefused(answer, 413, { code: 'RequestEntityTooLarge', message })
      assert.equal(answer.headers.connection, 'close')
    })

    test(`${id} with a body that does not say it is JSON is refused`, async () => {
      for (const contentType of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'json', '']) {
        const headers = { 'content-type': contentType }
        assertRefused(await ask(operation, { headers, expectAudit: here() }), 415, noJsonType)
      }
    })

    test(`${id} with a body that is no JSON is refused`, async () => {
      for (const body of [
        `{"value":"${CANARY}"`,
        CANARY,
        '',
        `{'value':'${CANARY}'}`,
        Buffer.concat([Buffer.from(`{"value":"${CANARY}`), Buffer.from([0xff]), Buffer.from('"}')]),
      ]) {
        assertRefused(await ask(operation, { body, expectAudit: here() }), 400, notJson)
      }
    })
  }
}

test('nothing of a body is in any file of the audit log or in the log', () => {
  const folder = join(server.folder, 'audit')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert.ok(files.length > 0)
  const written = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8')).join('\n')
  for (const text of [CANARY, Buffer.from(CANARY).toString('base64').slice(0, -2), encodeURIComponent(CANARY)]) {
    assert.ok(!written.includes(text))
    assert.ok(!server.logged().includes(text))
  }
})

function withAnotherSignature(token: string): string {
  const at = token.lastIndexOf('.') + 1
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}
