/** A short recording written by hand, and a transport that answers with it; for the tests of the replayer only. */
import type { Exchange, Json, Recording } from './recordings.ts'
import type { Answer, Request, Transport } from './wire.ts'

export const RECORDED_VAULT = 'https://recorded.vault.azure.net'
export const OUR_HOST = 'ours.vault.azure.net'
export const TENANT = '11111111-2222-4333-8444-555555555555'
const RECORDED_TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47'
export const FIRST = 'd0215295974a4da8ab877cb69fefd5ec'
export const SECOND = '0faaf1456c7478babf4a28ddef5bdab1'
const MADE = 1_680_047_573

const commonHeaders = {
  'cache-control': 'no-cache',
  date: 'Tue, 28 Mar 2024 23:52:52 GMT',
  expires: '-1',
  pragma: 'no-cache',
  'strict-transport-security': 'max-age=31536000;includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-ms-keyvault-network-info': 'conn_type=Ipv4;addr=203.0.113.7;act_addr_fam=InterNetwork;',
  'x-ms-keyvault-region': 'uksouth',
  'x-ms-keyvault-service-version': '1.9.749.1',
  'x-ms-request-id': 'eb5a09bf-59b4-4c5b-8997-b9df24ce31ab',
}

export function exchange(
  n: number,
  method: string,
  path: string,
  status: number,
  responseBody: Json,
  more: { requestBody?: Json; headers?: Record<string, string>; repeat?: number } = {},
): Exchange {
  const content: Record<string, string> =
    responseBody === null
      ? {}
      : {
          'content-type': 'application/json; charset=utf-8',
          'content-length': `${JSON.stringify(responseBody).length}`,
        }
  return {
    n,
    method,
    url: `${RECORDED_VAULT}${path}`,
    requestHeaders: { accept: 'application/json' },
    requestBody: more.requestBody ?? null,
    status,
    responseHeaders: { ...commonHeaders, ...content, ...more.headers },
    responseBody,
    repeat: more.repeat ?? 1,
  }
}

const attributes = (updated = MADE) => ({
  enabled: true,
  created: MADE,
  updated,
  recoveryLevel: 'CustomizedRecoverable+Purgeable',
  recoverableDays: 7,
})
const id = (version: string) => `${RECORDED_VAULT}/secrets/cake/${version}`
const versioned = (version: string) => ({ id: id(version), attributes: attributes() })
const deleted = {
  recoveryId: `${RECORDED_VAULT}/deletedsecrets/cake`,
  deletedDate: MADE + 1,
  scheduledPurgeDate: MADE + 1 + 7 * 86_400,
  id: id(SECOND),
  attributes: attributes(),
}
const notFound = { error: { code: 'SecretNotFound', message: 'Deleted Secret not found: cake' } }
const nextLink = `${RECORDED_VAULT}:443/secrets/cake/versions?api-version=7.4&$skiptoken=eyJOZXh0&maxresults=1`

/** Set twice, list versions one by one, delete, poll, purge: most of what the replayer has to carry over. */
export const sampleRecording: Recording = {
  folder: 'secrets',
  name: 'sdk-go.sample',
  source: 'sdk-go',
  exchanges: [
    exchange(
      1,
      'PUT',
      '/secrets/cake?api-version=7.4',
      401,
      { error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer or PoP token.' } },
      {
        headers: {
          'www-authenticate': `Bearer authorization="https://login.microsoftonline.com/${RECORDED_TENANT}", resource="https://vault.azure.net"`,
        },
      },
    ),
    exchange(
      2,
      'PUT',
      '/secrets/cake?api-version=7.4',
      200,
      { value: 'one', ...versioned(FIRST) },
      {
        requestBody: { value: 'one' },
      },
    ),
    exchange(
      3,
      'PUT',
      '/secrets/cake?api-version=7.4',
      200,
      { value: 'two', ...versioned(SECOND) },
      {
        requestBody: { value: 'two' },
      },
    ),
    exchange(4, 'GET', `/secrets/cake/${FIRST}?api-version=7.4`, 200, { value: 'one', ...versioned(FIRST) }),
    exchange(5, 'GET', '/secrets/cake/versions?api-version=7.4&maxresults=1', 200, {
      value: [versioned(SECOND)],
      nextLink,
    }),
    exchange(6, 'GET', nextLink.slice(`${RECORDED_VAULT}:443`.length), 200, {
      value: [versioned(FIRST)],
      nextLink: null,
    }),
    exchange(7, 'DELETE', '/secrets/cake?api-version=7.4', 200, deleted),
    exchange(8, 'GET', '/deletedsecrets/cake?api-version=7.4', 404, notFound, { repeat: 3 }),
    exchange(9, 'GET', '/deletedsecrets/cake?api-version=7.4', 200, deleted),
    exchange(10, 'DELETE', '/deletedsecrets/cake?api-version=7.4', 204, null),
    exchange(11, 'GET', '/deletedsecrets/cake?api-version=7.4', 404, notFound),
  ],
}

/** Times of ours are so much later than the recorded ones. */
export const OUR_START_MS = (MADE + 1_000_000) * 1000

/**
 * A server that answers each request with what was recorded for it, in ids, times and a host of its own. `ours` says
 * which of our version ids stands for which recorded one; `change` may tamper with an answer; answers whose numbers are
 * `skipped` are never given.
 */
export function echo(
  recording: Recording,
  ours: Readonly<Record<string, string>>,
  change: (n: number, answer: Answer) => Answer = (_n, answer) => answer,
  skipped: ReadonlySet<number> = new Set([8]),
): { transport: Transport; sent: Request[] } {
  const sent: Request[] = []
  const waiting = recording.exchanges.filter(({ n }) => !skipped.has(n))
  const toOurs = (content: string): string => {
    const replaced = content
      .replaceAll(RECORDED_VAULT, `https://${OUR_HOST}`)
      .replaceAll(RECORDED_TENANT, TENANT)
      .replace(/"(created|updated|deletedDate|scheduledPurgeDate)":(\d+)/g, (_all, name: string, seconds: string) => {
        return `"${name}":${Number(seconds) + 1_000_000}`
      })
    return replaced.replace(/[0-9a-f]{32}/g, (recorded) => ours[recorded] ?? recorded)
  }
  const transport: Transport = {
    send(request) {
      sent.push(request)
      const next = waiting.shift()
      if (!next) return Promise.reject(new Error('nothing more was recorded'))
      const content = next.responseBody === null ? '' : toOurs(JSON.stringify(next.responseBody))
      const headers: Record<string, string> = { ...next.responseHeaders }
      for (const [name, value] of Object.entries(headers)) headers[name] = toOurs(value)
      if (next.responseBody !== null) headers['content-length'] = `${content.length}`
      const body: Json = content === '' ? null : JSON.parse(content)
      return Promise.resolve(change(next.n, { status: next.status, headers, text: content, body }))
    },
    close() {},
  }
  return { transport, sent }
}
