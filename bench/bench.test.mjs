// The instruments themselves: figures from a wrong instrument look just like right ones. No test asserts a speed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyLength } from './load/connection.mjs'
import { makePlan } from './load/plans.mjs'
import { runLoad } from './load/run-load.mjs'
import { parseBusySeconds, parseProcessStat } from './measuring/cpu.mjs'
import { alternate } from './measuring/rounds.mjs'
import { formatSummary, pairedRatios, summarize } from './measuring/statistics.mjs'
import { secretName, secretValue } from './names.mjs'
import { hottest } from './profile.mjs'
import { isMet, renderResult } from './report.mjs'
import { differenceOf, parseAnswer, startBare } from './servers/start-bare.mjs'

const answerWith = (body, requestId = 'aaaa') =>
  Buffer.from(
    [
      'HTTP/1.1 200 OK',
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `x-ms-request-id: ${requestId}`,
      'Date: Tue, 24 Nov 2026 10:00:00 GMT',
      'Connection: keep-alive',
      'Keep-Alive: timeout=65',
      '',
      body,
    ].join('\r\n'),
  )

const request = { method: 'GET', path: '/secrets/a?api-version=7.4', headers: { authorization: 'Bearer none' } }

test('CPU time is found behind a command name with spaces and parentheses', () => {
  const fields = ['S', '7', ...new Array(9).fill('0'), '150', '50', ...new Array(20).fill('0')]
  assert.deepEqual(parseProcessStat(`42 (a) b (c)) ${fields.join(' ')}`), { parentPid: 7, cpuSeconds: 2 })
})

test('idle time and waiting for disks do not count as busy, stolen time does', () => {
  assert.equal(parseBusySeconds('cpu  100 0 100 9999 8888 0 0 50 0 0\ncpu0 1 2 3\n'), 2.5)
})

test('a summary has the median of an even count between the two middle values', () => {
  assert.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4, count: 4 })
  assert.equal(formatSummary(summarize([12_345, 12_345])), '12.3k [12.3k-12.3k] n=2')
})

test('ratios are taken within a round', () => {
  assert.deepEqual(pairedRatios([1, 4], [2, 4]), [0.5, 1])
  assert.throws(() => pairedRatios([1], []), /pair up/)
})

test('a noisy measurement is made again and the quietest counts', async () => {
  const cores = [9, 5, 7, 8]
  const { reports, all, remark } = await alternate({
    rounds: 1,
    contestants: { one: () => ({ foreignCores: cores.shift() }) },
    log: () => {},
    describe: () => '',
    noisyCores: 4,
    waitForQuiet: async () => {},
  })
  assert.equal(all.length, 4)
  assert.deepEqual(reports.one, [{ foreignCores: 5 }])
  assert.match(remark, /with care/)
})

test('the length of an answer is read in any letter case, and unknown without one', () => {
  assert.equal(bodyLength('HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 12\r\n\r\n'), 12)
  assert.equal(bodyLength('HTTP/1.1 204 No Content\r\n\r\n'), 0)
  assert.equal(bodyLength('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), undefined)
})

test('names follow from their number alone and keep to the service’s alphabet', () => {
  assert.equal(secretName('get', 1), secretName('get', 1))
  assert.notEqual(secretName('get', 1), secretName('get', 2))
  assert.match(secretName('get', 1), /^[0-9a-f]{24}$/)
  assert.equal(secretValue(secretName('get', 1)).length, 64)
})

test('answers that differ in a request id only count as the same bytes', () => {
  const one = parseAnswer(answerWith('{}', 'aaaa'))
  assert.equal(differenceOf(one, parseAnswer(answerWith('{}', 'bbbb'))), undefined)
  assert.match(differenceOf(one, parseAnswer(answerWith('{}', 'ccccc'))), /x-ms-request-id/)
  assert.match(differenceOf(one, parseAnswer(answerWith('[]'))), /body/)
})

test('the generator counts answers of the bare server over TLS 1.3 with a P-256 certificate', async () => {
  const bare = await startBare({ serverName: 'bare.test', answer: answerWith('{"value":"x"}'), request })
  try {
    const counted = await runLoad({
      port: bare.port,
      serverName: bare.serverName,
      ca: bare.ca,
      serverPid: bare.pid,
      connections: 2,
      plan: { kind: 'getSecrets', host: 'bare.test', headers: {}, query: '', series: 'counted', count: 5 },
      warmUpSeconds: 0.05,
      seconds: 0.1,
    })
    assert.ok(counted.accepted > 0)
    assert.deepEqual(counted.refused, {})
    assert.match(counted.tlsFacts, /^TLSv1\.3 TLS_\w+ P-256$/)
  } finally {
    bare.stop()
  }
})

test('a good answer with another value than was sent fails the load', async () => {
  const bare = await startBare({ serverName: 'bare.test', answer: answerWith('{"value":"x"}'), request })
  try {
    const load = runLoad({
      port: bare.port,
      serverName: bare.serverName,
      ca: bare.ca,
      connections: 1,
      plan: { kind: 'putNew', host: 'bare.test', headers: {}, query: '', series: 'wrong', count: 1 },
      warmUpSeconds: 0,
      seconds: 10,
    })
    await assert.rejects(load, /expected content/)
  } finally {
    bare.stop()
  }
})

test('refused requests are counted apart and never as answers', async () => {
  const refusal = Buffer.from(answerWith('{"error":{}}').toString().replace('200 OK', '429 Too Many Requests'))
  const bare = await startBare({ serverName: 'bare.test', answer: refusal, request })
  try {
    const report = await runLoad({
      port: bare.port,
      serverName: bare.serverName,
      ca: bare.ca,
      connections: 1,
      plan: { kind: 'readBack', host: 'bare.test', headers: {}, query: '', series: 'refused', expected: [[1, 0]] },
      warmUpSeconds: 0,
      seconds: 10,
    })
    assert.deepEqual(report.refused, { 429: 1 })
    assert.equal(report.acceptedInAll, 0)
    assert.equal(report.refusedSample, '{"error":{}}')
  } finally {
    bare.stop()
  }
})

test('clients that write versions never share a name', () => {
  const plan = makePlan(
    { kind: 'putVersions', host: 'h', headers: {}, query: '', series: 's', count: 6, firstSequence: 1 },
    3,
  )
  const nameIn = (bytes) => /\/secrets\/(\w+)/.exec(bytes)[1]
  const names = [0, 1, 2].map((client) => new Set([1, 2, 3, 4].map(() => nameIn(plan.next(client)))))
  assert.deepEqual(
    names.map(({ size }) => size),
    [2, 2, 2],
  )
  assert.equal(new Set(names.flatMap((one) => [...one])).size, 6)
})

test('a profile’s own time leaves out idle samples and samples outside the window', () => {
  const frame = (functionName, url = '') => ({ functionName, url, lineNumber: 9 })
  const profile = {
    startTime: 0,
    nodes: [
      { id: 1, callFrame: frame('work', 'file:///x/src/a.ts') },
      { id: 2, callFrame: frame('(idle)') },
      { id: 3, callFrame: frame('other', 'file:///x/src/b.ts') },
    ],
    samples: [1, 2, 3, 1, 1],
    timeDeltas: [100, 100, 100, 300, 9999],
  }
  const { functions, busySeconds } = hottest(profile, { fromUs: 0, untilUs: 1000 })
  assert.equal(busySeconds, 500 / 1e6)
  assert.deepEqual(functions, [
    { name: 'work  src/a.ts:10', share: 0.8 },
    { name: 'other  src/b.ts:10', share: 0.2 },
  ])
})

test('a bound is met by the median, and refused requests spoil the figures in print', () => {
  const ratio = { median: 0.5, min: 0.4, max: 0.6, count: 5 }
  assert.equal(isMet({ ratio, atLeast: 0.5 }), true)
  assert.equal(isMet({ ratio, atMost: 0.4 }), false)
  assert.equal(isMet({ ratio }), undefined)
  const text = renderResult({
    title: 'T',
    about: 'A',
    columns: ['c'],
    rows: [['1']],
    verdicts: [],
    refused: { 429: 3 },
  })
  assert.match(text.join('\n'), /do not count/)
})
