/**
 * What the service answered then, rewritten into what it answers now. Recordings reach from 2017 to 2024, and some
 * recorders dropped or added headers; each rule undoes one such thing and nothing else, and only for recordings of the
 * years or recorders it names. Its reason and the divergence it belongs to stand in explained.json under the same id; a
 * rule that no recording needs any more is an error there.
 */

import type { VaultNeeds } from './plan.ts'
import {
  type Exchange,
  isArray,
  isObject,
  type Json,
  member,
  recordedAt,
  type SecretTarget,
  text,
} from './recordings.ts'

const SECONDS_PER_DAY = 86_400

/** An answer in the recording's own ids and times. */
export interface Expectation {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json
}

export interface RuleSubject {
  readonly exchange: Exchange
  readonly target: SecretTarget
  readonly source: string
  readonly vault: VaultNeeds
}

interface Rule {
  readonly id: string
  /** The expectation as it would be today; the same object where the rule has nothing to do. */
  apply(expected: Expectation, subject: RuleSubject): Expectation
}

const without = (expected: Expectation, ...names: readonly string[]): Expectation => {
  if (!names.some((name) => name in expected.headers)) return expected
  const headers = Object.fromEntries(Object.entries(expected.headers).filter(([name]) => !names.includes(name)))
  return { ...expected, headers }
}

const withHeader = (expected: Expectation, name: string, value: string): Expectation =>
  expected.headers[name] === value ? expected : { ...expected, headers: { ...expected.headers, [name]: value } }

const withMessage = (expected: Expectation, message: string): Expectation => {
  const error = member(expected.body, 'error')
  return isObject(error) ? { ...expected, body: { error: { ...error, message } } } : expected
}

const isBefore = ({ exchange }: RuleSubject, date: string): boolean => recordedAt(exchange) < new Date(date)

const messageOf = (expected: Expectation): string => text(member(expected.body, 'error', 'message')) ?? ''

export const rules: readonly Rule[] = [
  {
    id: 'recorder-drops-request-ids',
    apply(expected, { source }) {
      const drops = ['azure-cli', 'azure-cli-other', 'sdk-python'].includes(source)
      if (!drops || 'x-ms-request-id' in expected.headers) return expected
      return withHeader(expected, 'x-ms-request-id', '00000000-0000-4000-8000-000000000000')
    },
  },
  {
    id: 'recorder-adds-retry-after',
    apply(expected, { source }) {
      const isAdded = source === 'keyvault-java' && expected.headers['retry-after'] === '0'
      return isAdded ? without(expected, 'retry-after') : expected
    },
  },
  {
    id: 'server-software-headers',
    apply(expected, subject) {
      return isBefore(subject, '2022-05-01')
        ? without(expected, 'server', 'x-powered-by', 'x-aspnet-version')
        : expected
    },
  },
  {
    id: 'network-info-without-connection-type',
    apply(expected, subject) {
      if (!isBefore(subject, '2020-01-01')) return expected
      const found = expected.headers['x-ms-keyvault-network-info'] ?? 'addr=203.0.113.7;act_addr_fam=InterNetwork;'
      return found.startsWith('addr=')
        ? withHeader(expected, 'x-ms-keyvault-network-info', `conn_type=Ipv4;${found}`)
        : expected
    },
  },
  {
    id: 'region-in-words',
    apply(expected, subject) {
      const region = expected.headers['x-ms-keyvault-region']
      if (!isBefore(subject, '2019-01-01') || region === undefined) return expected
      return withHeader(expected, 'x-ms-keyvault-region', region.toLowerCase().replaceAll(' ', ''))
    },
  },
  {
    id: 'challenge-names-login-windows-net',
    apply(expected, subject) {
      const challenge = expected.headers['www-authenticate']
      if (!isBefore(subject, '2023-07-01') || challenge === undefined) return expected
      return withHeader(
        expected,
        'www-authenticate',
        challenge.replace('https://login.windows.net/', 'https://login.microsoftonline.com/'),
      )
    },
  },
  {
    id: 'challenge-without-body',
    apply(expected, subject) {
      if (expected.status !== 401 || expected.body !== null || !isBefore(subject, '2020-01-01')) return expected
      const message = 'AKV10000: Request is missing a Bearer or PoP token.'
      return withHeader(
        { ...expected, body: { error: { code: 'Unauthorized', message } } },
        'content-type',
        'application/json; charset=utf-8',
      )
    },
  },
  {
    id: 'challenge-message-without-code',
    apply(expected, subject) {
      const message = messageOf(expected)
      if (!isBefore(subject, '2021-01-01') || !message.startsWith('Request is missing')) return expected
      return withMessage(expected, `AKV10000: ${message}`)
    },
  },
  {
    id: 'short-not-found-message',
    apply(expected, subject) {
      const name = messageOf(expected).match(/^Secret not found: (.*)$/)?.[1]
      if (!isBefore(subject, '2020-01-01') || name === undefined) return expected
      return withMessage(
        expected,
        `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
      )
    },
  },
  {
    id: 'short-restore-conflict-message',
    apply(expected, subject) {
      const id = messageOf(expected).match(/^Conflict while restoring secret (\S+) - secret already exists/)?.[1]
      if (!isBefore(subject, '2021-01-01') || id === undefined) return expected
      return withMessage(
        expected,
        `There was a conflict restoring the secret '${id}'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner.`,
      )
    },
  },
  {
    id: 'vault-without-soft-delete',
    apply(expected, { vault, exchange, target }) {
      if (vault.hasSoftDelete || expected.status !== 200) return expected
      const body = withSoftDelete(expected.body)
      const isDelete = exchange.method === 'DELETE' && target.area === 'secrets' && isObject(body)
      if (!isDelete) return { ...expected, body }
      const deletedDate = Math.floor(recordedAt(exchange).getTime() / 1000)
      const recoveryId = `https://${new URL(exchange.url).hostname}/deletedsecrets/${target.name ?? ''}`
      const scheduledPurgeDate = deletedDate + vault.retentionDays * SECONDS_PER_DAY
      return { ...expected, body: { recoveryId, deletedDate, scheduledPurgeDate, ...body } }
    },
  },
]

/** The same objects in a vault with soft delete: only the recovery level differs. */
function withSoftDelete(value: Json): Json {
  if (isArray(value)) return value.map((item) => withSoftDelete(item))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, content]) => [
      name,
      name === 'recoveryLevel' && content === 'Purgeable' ? 'Recoverable+Purgeable' : withSoftDelete(content),
    ]),
  )
}

export interface TodaysAnswer {
  readonly expected: Expectation
  /** Ids of the rules that changed something. */
  readonly applied: readonly string[]
}

/** What the service would answer today where it answered this then. */
export function todaysAnswer(subject: RuleSubject): TodaysAnswer {
  const { status, responseHeaders, responseBody } = subject.exchange
  let expected: Expectation = { status, headers: responseHeaders, body: responseBody }
  const applied: string[] = []
  for (const rule of rules) {
    const next = rule.apply(expected, subject)
    if (JSON.stringify(next) === JSON.stringify(expected)) continue
    applied.push(rule.id)
    expected = next
  }
  return { expected, applied }
}
