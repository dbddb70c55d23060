/**
 * What every answer of a vault has to look like, written down apart from the code that makes it: the headers of the
 * recordings and the refusals byte for byte. Tests compare with these, so a slip in the server is not repeated here.
 */
import assert from 'node:assert/strict'
import type { TestAnswer } from './test-server.ts'

/** Headers that belong to the connection, not to the answer. */
const OF_THE_CONNECTION = new Set(['connection', 'keep-alive'])
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export interface ExpectedHeaders {
  /** Echoed as it was sent; none was sent where it is left out. */
  readonly clientRequestId?: string
  /** Whether a role assignment allowed the request. */
  readonly byRole: boolean
  /** Headers of this answer only. */
  readonly more?: Readonly<Record<string, string>>
}

/** Exactly the headers of the recordings' section 1, no other one. */
export function assertVaultHeaders(answer: TestAnswer, { clientRequestId, byRole, more = {} }: ExpectedHeaders): void {
  const found = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !OF_THE_CONNECTION.has(name)))
  const { date, 'x-ms-request-id': requestId, 'x-ms-keyvault-rbac-assignment-id': assignmentId, ...others } = found
  assert.match(String(date), /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/)
  assert.match(String(requestId), GUID)
  if (byRole) assert.match(String(assignmentId), GUID)
  else assert.equal(assignmentId, undefined)
  assert.match(String(others['x-ms-keyvault-service-version']), /^\d+\.\d+\.\d+\.\d+$/)
  delete others['x-ms-keyvault-service-version']
  assert.deepEqual(others, {
    'cache-control': 'no-cache',
    expires: '-1',
    pragma: 'no-cache',
    'strict-transport-security': 'max-age=31536000;includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-keyvault-network-info': 'conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;',
    'x-ms-keyvault-region': 'local',
    ...(clientRequestId === undefined ? {} : { 'x-ms-client-request-id': clientRequestId }),
    ...(byRole ? { 'x-ms-keyvault-rbac-cache': 'ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=1;' } : {}),
    ...(answer.status === 204
      ? {}
      : {
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(Buffer.byteLength(answer.text)),
        }),
    ...more,
  })
}

export interface ExpectedRefusal {
  readonly code: string
  readonly inner?: string
  readonly message: string
}

/** The whole body of a refusal, byte for byte. */
export function refusalText({ code, inner, message }: ExpectedRefusal): string {
  return JSON.stringify({ error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } })
}

export function assertRefused(answer: TestAnswer, status: number, refusal: ExpectedRefusal): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.text, refusalText(refusal))
}

/** `name` as the request wrote it, with the version where it named one. */
export const secretNotFound = (name: string): ExpectedRefusal => ({
  code: 'SecretNotFound',
  message: `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
})

export const deletedSecretNotFound = (name: string): ExpectedRefusal => ({
  code: 'SecretNotFound',
  message: `Deleted Secret not found: ${name}`,
})

export const invalidName = (name: string): ExpectedRefusal => ({
  code: 'BadParameter',
  message: `The request URI contains an invalid name: ${name}`,
})

/** What the service says of any body that breaks a rule. */
export const invalidProperty: ExpectedRefusal = { code: 'BadParameter', message: 'Property  has invalid value\r\n' }

export const secretDisabled: ExpectedRefusal = {
  code: 'Forbidden',
  inner: 'SecretDisabled',
  message: 'Operation get is not allowed on a disabled secret.',
}

export const deletedButRecoverable = (name: string): ExpectedRefusal => ({
  code: 'Conflict',
  inner: 'ObjectIsDeletedButRecoverable',
  message: `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`,
})

export const beingDeletedOnCreate = (name: string): ExpectedRefusal => ({
  code: 'Conflict',
  inner: 'ObjectIsBeingDeleted',
  message: `Secret ${name} is currently being deleted and cannot be re-created; retry later.`,
})

export const beingDeleted = (name: string): ExpectedRefusal => ({
  code: 'Conflict',
  inner: 'ObjectIsBeingDeleted',
  message: `Secret ${name} is currently being deleted.`,
})

/** `id` of the version that could not be restored. */
export const restoreConflict = (id: string): ExpectedRefusal => ({
  code: 'Conflict',
  message: `There was a conflict restoring the secret '${id}'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner.`,
})

/** The last part of a versioned id. */
export function versionOf(answer: TestAnswer): string {
  const version = /\/([0-9a-f]{32})$/.exec(String(answer.json?.id))?.[1]
  assert.ok(version !== undefined, `no versioned id in ${answer.text}`)
  return version
}
