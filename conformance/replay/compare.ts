/**
 * Compares one answer of ours with what the service would answer: status, headers, the JSON's members with their order,
 * types and values, error texts to the character, next links to the byte around their token. Version ids, blobs and
 * the token are the only things allowed to be ours; times are left to times.ts.
 */
import type { Bindings } from './bindings.ts'
import { type Difference, type DifferenceKind, shown } from './differences.ts'
import { isArray, isObject, type Json, type JsonObject } from './recordings.ts'
import type { Expectation } from './rules.ts'
import type { Answer } from './wire.ts'

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const TENANT_IN_CHALLENGE = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Headers whose value is the service's own; only its form is compared. */
const HEADER_FORMS: ReadonlyMap<string, RegExp> = new Map([
  [
    'date',
    /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/,
  ],
  ['x-ms-request-id', GUID],
  ['x-ms-keyvault-region', /^[a-z][a-z0-9]+$/],
  ['x-ms-keyvault-service-version', /^\d+\.\d+\.\d+\.\d+$/],
  ['x-ms-keyvault-network-info', /^conn_type=Ipv4;addr=[0-9.]+;act_addr_fam=InterNetwork;$/],
  ['x-ms-keyvault-rbac-assignment-id', GUID],
  ['x-ms-keyvault-rbac-cache', /^ra_age=\d+;da_age=\d+;rd_age=\d+;brd_age=\d+;ra_notif_age=\d+;dec_lev=\d+;$/],
])

/** Connection handling, which the recorders left out. */
const UNRECORDED_HEADERS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

const TIME_MEMBERS: ReadonlySet<string> = new Set(['created', 'updated', 'deletedDate', 'scheduledPurgeDate'])
const ID_MEMBERS: ReadonlySet<string> = new Set(['id', 'kid', 'recoveryId'])

/** `KUF6…`: the first bytes of every backup of a secret, base64url. */
const BACKUP_START = Buffer.from(')AzureKeyVaultSecretBackupV1.microsoft.com').toString('base64url')

export interface Subject {
  readonly bindings: Bindings
  /** True for the answer of a backup, whose value is a blob. */
  readonly isBackup: boolean
}

/** Every difference; a wrong status is the only one reported where there is one. */
export function compareAnswer(expected: Expectation, answer: Answer, subject: Subject): Difference[] {
  if (expected.status !== answer.status) {
    const got = `${answer.status} ${shown(answer.text)}`
    return [{ kind: 'status', where: 'status', expected: `${expected.status} ${shown(expected.body)}`, got }]
  }
  return [...compareEnvelope(expected, answer, subject.bindings), ...compareJson(expected.body, answer.body, subject)]
}

/** Headers, length and the JSON's writing; not what it says. */
export function compareEnvelope(expected: Expectation, answer: Answer, bindings: Bindings): Difference[] {
  return [...compareHeaders(expected, answer, bindings), ...compareForm(answer)]
}

function compareHeaders(expected: Expectation, answer: Answer, bindings: Bindings): Difference[] {
  const found: Difference[] = []
  for (const [name, recorded] of Object.entries(expected.headers)) {
    const got = answer.headers[name]
    if (got === undefined) {
      found.push({ kind: 'header-missing', where: name, expected: shown(recorded), got: 'nothing' })
      continue
    }
    if (name === 'content-length') continue
    const form = HEADER_FORMS.get(name)
    const wanted = name === 'www-authenticate' ? recorded.replace(TENANT_IN_CHALLENGE, bindings.tenantId) : recorded
    const isSame = form === undefined ? got === wanted : form.test(got)
    if (!isSame) found.push({ kind: 'header-value', where: name, expected: shown(wanted), got: shown(got) })
  }
  for (const [name, got] of Object.entries(answer.headers)) {
    if (name in expected.headers || UNRECORDED_HEADERS.has(name)) continue
    found.push({ kind: 'header-extra', where: name, expected: 'nothing', got: shown(got) })
  }
  return found
}

/** The length is the body's, and the JSON is as compact as the service's (recorded lengths show that it is). */
function compareForm(answer: Answer): Difference[] {
  const found: Difference[] = []
  const length = answer.headers['content-length']
  const bytes = Buffer.byteLength(answer.text)
  if (length !== undefined && Number(length) !== bytes) {
    found.push({ kind: 'content-length', where: 'content-length', expected: `${bytes}`, got: length })
  }
  if (answer.body !== null && typeof answer.body !== 'string' && JSON.stringify(answer.body) !== answer.text) {
    found.push({ kind: 'json-form', where: '$', expected: shown(JSON.stringify(answer.body)), got: shown(answer.text) })
  }
  return found
}

export function compareJson(expected: Json, got: Json, subject: Subject): Difference[] {
  const found: Difference[] = []
  walk('$', '', expected, got, subject, found)
  return found
}

function walk(where: string, name: string, expected: Json, got: Json, subject: Subject, found: Difference[]): void {
  const differ = (kind: DifferenceKind, wanted: unknown, had: unknown) => {
    found.push({ kind, where, expected: shown(wanted), got: shown(had) })
  }
  if (typeOf(expected) !== typeOf(got)) {
    differ('type', expected, got)
  } else if (isObject(expected) && isObject(got)) {
    compareMembers(where, expected, got, found)
    for (const [key, value] of Object.entries(expected)) {
      const mine = got[key]
      if (mine !== undefined) walk(`${where}.${key}`, key, value, mine, subject, found)
    }
  } else if (isArray(expected) && isArray(got)) {
    if (expected.length !== got.length) differ('list-length', `${expected.length} items`, `${got.length} items`)
    for (const [index, value] of expected.entries()) {
      const mine = got[index]
      if (mine !== undefined) walk(`${where}[${index}]`, name, value, mine, subject, found)
    }
  } else if (typeof expected === 'string' && typeof got === 'string') {
    compareText(name, expected, got, subject, differ)
  } else if (typeof expected === 'number' && TIME_MEMBERS.has(name)) {
    if (!Number.isSafeInteger(got)) differ('type', 'whole seconds', got)
  } else if (expected !== got) {
    differ('value', expected, got)
  }
}

function compareMembers(where: string, expected: JsonObject, got: JsonObject, found: Difference[]): void {
  const wanted = Object.keys(expected)
  const had = Object.keys(got)
  for (const name of wanted.filter((key) => !had.includes(key))) {
    found.push({ kind: 'member-missing', where: `${where}.${name}`, expected: shown(expected[name]), got: 'nothing' })
  }
  for (const name of had.filter((key) => !wanted.includes(key))) {
    found.push({ kind: 'member-extra', where: `${where}.${name}`, expected: 'nothing', got: shown(got[name]) })
  }
  const inBoth = wanted.filter((key) => had.includes(key))
  const order = had.filter((key) => wanted.includes(key))
  if (inBoth.join() !== order.join()) {
    found.push({ kind: 'member-order', where, expected: inBoth.join(), got: order.join() })
  }
}

function compareText(
  name: string,
  expected: string,
  got: string,
  { bindings, isBackup }: Subject,
  differ: (kind: DifferenceKind, wanted: unknown, had: unknown) => void,
): void {
  if (isBackup && name === 'value') {
    if (isBackupBlob(got)) bindings.bindBlob(expected, got)
    else differ('backup-blob', `base64url that starts with ${BACKUP_START}`, got)
  } else if (name === 'nextLink') {
    if (!isSameNextLink(bindings.translate(expected), got)) differ('next-link', bindings.translate(expected), got)
  } else if (ID_MEMBERS.has(name)) {
    if (!bindings.matches(expected, got)) differ('id', bindings.translate(expected), got)
  } else if (name === 'message') {
    if (!bindings.matches(expected, got)) differ('error-message', bindings.translate(expected), got)
  } else if (name === 'code') {
    if (expected !== got) differ('error-code', expected, got)
  } else if (expected !== got) {
    differ('value', expected, got)
  }
}

/** Envelope and a compact JWE with its five parts; the content is anybody's own. */
function isBackupBlob(value: string): boolean {
  if (!/^[A-Za-z0-9_-]+$/.test(value) || !value.startsWith(BACKUP_START)) return false
  const jwe = Buffer.from(value.slice(BACKUP_START.length), 'base64url').toString('latin1')
  return jwe.split('.').length === 5
}

const TOKEN = /\$skiptoken=([^&]*)/

/** Byte for byte but for the token, which has to be base64url without padding. */
export function isSameNextLink(expected: string, got: string): boolean {
  const token = got.match(TOKEN)?.[1]
  if (token === undefined || !/^[A-Za-z0-9_-]+$/.test(token)) return false
  return expected.replace(TOKEN, '$skiptoken=') === got.replace(TOKEN, '$skiptoken=')
}

function typeOf(value: Json): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
