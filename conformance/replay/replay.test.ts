import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bindings } from './bindings.ts'
import type { Difference } from './differences.ts'
import { playInBetween } from './in-between.ts'
import { planReplay } from './plan.ts'
import { playRecording } from './player.ts'
import { isObject, type Json, type JsonObject } from './recordings.ts'
import { echo, FIRST, OUR_HOST, OUR_START_MS, SECOND, sampleRecording, TENANT } from './sample-recording.ts'
import type { Answer } from './wire.ts'

/** Ours sort the same way as the recorded ones: SECOND before FIRST. */
const OURS = { [FIRST]: 'f'.repeat(32), [SECOND]: 'a'.repeat(32) }

async function differences(change?: (n: number, answer: Answer) => Answer): Promise<(Difference & { n: number })[]> {
  const { transport } = echo(sampleRecording, OURS, change)
  const session = { transport, vaultHost: OUR_HOST, token: 'a-token', nowMs: () => OUR_START_MS }
  const results = await playRecording(planReplay(sampleRecording), session, new Bindings(`https://${OUR_HOST}`, TENANT))
  return results.flatMap((result) => result.differences.map((found) => ({ ...found, n: result.exchange.n })))
}

function withBody(answer: Answer, change: (body: JsonObject) => Json): Answer {
  const body = isObject(answer.body) ? change(answer.body) : answer.body
  const text = JSON.stringify(body)
  return { ...answer, body, text, headers: { ...answer.headers, 'content-length': `${Buffer.byteLength(text)}` } }
}

const on = (wanted: number, change: (answer: Answer) => Answer) => (n: number, answer: Answer) =>
  n === wanted ? change(answer) : answer

async function planted(n: number, change: (answer: Answer) => Answer): Promise<string[]> {
  const found = await differences(on(n, change))
  return found.map((difference) => `${difference.n} ${difference.kind} ${difference.where}`)
}

test('the same answers in other ids, times, host and tenant agree', async () => {
  assert.deepEqual(await differences(), [])
})

test('a changed status is found', async () => {
  assert.deepEqual(await planted(2, (answer) => ({ ...answer, status: 201 })), ['2 status status'])
})

test('a missing header is found', async () => {
  const change = (answer: Answer): Answer => {
    const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => name !== 'pragma'))
    return { ...answer, headers }
  }
  assert.deepEqual(await planted(4, change), ['4 header-missing pragma'])
})

test('an extra header is found', async () => {
  const change = (answer: Answer) => ({ ...answer, headers: { ...answer.headers, 'x-ms-extra': '1' } })
  assert.deepEqual(await planted(4, change), ['4 header-extra x-ms-extra'])
})

test('a header with another constant value is found', async () => {
  const change = (answer: Answer) => ({
    ...answer,
    headers: { ...answer.headers, 'strict-transport-security': 'max-age=31536000; includeSubDomains' },
  })
  assert.deepEqual(await planted(4, change), ['4 header-value strict-transport-security'])
})

test('a challenge that names another tenant is found', async () => {
  const change = (answer: Answer) => ({
    ...answer,
    headers: {
      ...answer.headers,
      'www-authenticate': (answer.headers['www-authenticate'] ?? '').replace(TENANT, 'common'),
    },
  })
  assert.deepEqual(await planted(1, change), ['1 header-value www-authenticate'])
})

test('a missing member is found', async () => {
  const change = (answer: Answer) => withBody(answer, ({ value, id }) => ({ value: value ?? null, id: id ?? null }))
  assert.deepEqual(await planted(4, change), ['4 member-missing $.attributes'])
})

test('an extra member is found, also when it is null', async () => {
  assert.deepEqual(await planted(4, (answer) => withBody(answer, (body) => ({ ...body, contentType: null }))), [
    '4 member-extra $.contentType',
  ])
})

test('members in another order are found', async () => {
  const change = (answer: Answer) => withBody(answer, ({ value, ...rest }) => ({ ...rest, value: value ?? null }))
  assert.deepEqual(await planted(4, change), ['4 member-order $'])
})

test('a value of another type is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => ({
      ...body,
      attributes: { ...(isObject(body.attributes) ? body.attributes : {}), recoverableDays: '7' },
    }))
  assert.deepEqual(await planted(4, change), ['4 type $.attributes.recoverableDays'])
})

test('another secret value is found', async () => {
  assert.deepEqual(await planted(4, (answer) => withBody(answer, (body) => ({ ...body, value: 'two' }))), [
    '4 value $.value',
  ])
})

test('the id of another version is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => ({ ...body, id: `https://${OUR_HOST}/secrets/cake/${'a'.repeat(32)}` }))
  assert.deepEqual(await planted(4, change), ['4 id $.id'])
})

test('one id for two versions is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => ({ ...body, id: `https://${OUR_HOST}/secrets/cake/${'f'.repeat(32)}` }))
  const found = await planted(3, change)
  assert.ok(found.includes('3 id $.id'), found.join())
})

test('a changed message is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, () => ({ error: { code: 'SecretNotFound', message: 'Deleted secret not found: cake' } }))
  assert.deepEqual(await planted(11, change), ['11 error-message $.error.message'])
})

test('a changed error code is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, () => ({ error: { code: 'NotFound', message: 'Deleted Secret not found: cake' } }))
  assert.deepEqual(await planted(11, change), ['11 error-code $.error.code'])
})

test('a next link without the port is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => ({ ...body, nextLink: String(body.nextLink).replace(':443', '') }))
  assert.deepEqual(await planted(5, change), ['5 next-link $.nextLink'])
})

test('a list that ends early is found, and so is the page that is missing then', async () => {
  const change = (answer: Answer) => withBody(answer, (body) => ({ ...body, nextLink: null }))
  const found = await planted(5, change)
  assert.deepEqual(found.slice(0, 2), ['5 type $.nextLink', '6 unanswered request'])
})

test('a time that moved between two answers is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => {
      const attributes = isObject(body.attributes) ? body.attributes : {}
      return { ...body, attributes: { ...attributes, updated: Number(attributes.updated) + 5 } }
    })
  assert.deepEqual(await planted(4, change), ['4 time $.attributes.updated'])
})

test('a purge scheduled a day early is found', async () => {
  const change = (answer: Answer) =>
    withBody(answer, (body) => ({ ...body, scheduledPurgeDate: Number(body.scheduledPurgeDate) - 86_400 }))
  assert.deepEqual(await planted(9, change), ['9 time $.scheduledPurgeDate'])
})

test('a content length that is not the body’s is found', async () => {
  const change = (answer: Answer) => ({ ...answer, headers: { ...answer.headers, 'content-length': '1' } })
  assert.deepEqual(await planted(4, change), ['4 content-length content-length'])
})

test('JSON with spaces in it is found', async () => {
  const change = (answer: Answer) => {
    const text = JSON.stringify(answer.body, null, 1)
    return { ...answer, text, headers: { ...answer.headers, 'content-length': `${Buffer.byteLength(text)}` } }
  }
  assert.deepEqual(await planted(4, change), ['4 json-form $'])
})

test('no token goes with what was recorded as refused, and ours are the ids that are asked for', async () => {
  const { transport, sent } = echo(sampleRecording, OURS)
  const session = { transport, vaultHost: OUR_HOST, token: 'a-token', nowMs: () => OUR_START_MS }
  await playRecording(planReplay(sampleRecording), session, new Bindings(`https://${OUR_HOST}`, TENANT))
  assert.equal(sent[0]?.headers.authorization, undefined)
  assert.equal(sent[0]?.body, undefined)
  assert.equal(sent[1]?.headers.authorization, 'Bearer a-token')
  assert.equal(sent[3]?.path, `/secrets/cake/${'f'.repeat(32)}?api-version=7.4`)
})

test('versions are expected in the order of our ids', async () => {
  const otherWay = { [FIRST]: 'a'.repeat(32), [SECOND]: 'f'.repeat(32) }
  const swap = (n: number, answer: Answer): Answer => {
    const shown = n === 5 ? 'a'.repeat(32) : 'f'.repeat(32)
    if (n !== 5 && n !== 6) return answer
    return withBody(answer, (body) => {
      const [item] = Array.isArray(body.value) ? body.value : []
      return { ...body, value: [{ ...item, id: `https://${OUR_HOST}/secrets/cake/${shown}` }] }
    })
  }
  const { transport } = echo(sampleRecording, otherWay, swap)
  const session = { transport, vaultHost: OUR_HOST, token: 'a-token', nowMs: () => OUR_START_MS }
  const results = await playRecording(planReplay(sampleRecording), session, new Bindings(`https://${OUR_HOST}`, TENANT))
  assert.deepEqual(
    results.flatMap((result) => result.differences),
    [],
  )
  assert.ok(results.some((result) => result.rules.includes('versions-in-another-order')))
})

/** Those that a slow server is sent: no reads but the polls. */
const polled = {
  ...sampleRecording,
  exchanges: sampleRecording.exchanges.filter(({ n }) => [2, 3, 7, 8, 9, 10].includes(n)),
}

async function inBetween(change?: (n: number, answer: Answer) => Answer): Promise<string[]> {
  const { transport } = echo(polled, OURS, change, new Set())
  const session = { transport, vaultHost: OUR_HOST, token: 'a-token', nowMs: () => OUR_START_MS }
  const results = await playInBetween(planReplay(polled), session, new Bindings(`https://${OUR_HOST}`, TENANT))
  return results.flatMap(({ exchange, differences: found }) => [
    `${exchange.n}`,
    ...found.map(({ kind, where }) => `${kind} ${where}`),
  ])
}

test('a poll of an unfinished deletion is compared with its own recorded answer', async () => {
  assert.deepEqual(await inBetween(), ['8'])
})

test('another message to a poll of an unfinished deletion is found', async () => {
  const change = on(8, (answer) =>
    withBody(answer, () => ({ error: { code: 'SecretNotFound', message: 'Secret not found: cake' } })),
  )
  assert.deepEqual(await inBetween(change), ['8', 'error-message $.error.message'])
})
