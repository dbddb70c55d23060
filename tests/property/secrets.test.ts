/**
 * Any sequence of requests is answered as a tiny model answers it, and requests at the same time as if one came after the
 * other. Each run prints its seed; a failure is repeated with
 *   KEYHAVEN_PROPERTY_SEED=<seed> KEYHAVEN_PROPERTY_PATH=<path> node --test tests/property/secrets.test.ts
 * and a longer search is KEYHAVEN_PROPERTY_RUNS=5000.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import type { DataFolder } from '../../src/data-folder.ts'
import { MAX_PAGE_SIZE } from '../../src/domain/limits/limits.ts'
import type { SealedRecords } from '../../src/sealing/sealed-store.ts'
import { followed } from '../support/next-links.ts'
import { startTestServer, type TestAnswer, type TestServer } from '../support/test-server.ts'
import { type Command, command, type Step, steps } from './secret-commands.ts'
import { check, copyOf, type Model, purgeDue, type ResolvedCommand, resolve, textOf } from './secret-model.ts'

const PURGE_INTERVAL_SECONDS = 60
/** The client secret of the development set-up ends after a year; a server whose clock went on too far is left behind. */
const SERVER_AGE_MS = 200 * 86_400_000

interface Search {
  readonly seed: number
  readonly path?: string
  readonly numRuns: number
}

function searchOf(context: TestContext, usualRuns: number): Search {
  const { KEYHAVEN_PROPERTY_SEED: seed, KEYHAVEN_PROPERTY_PATH: path, KEYHAVEN_PROPERTY_RUNS: runs } = process.env
  const search = {
    seed: seed === undefined ? randomInt(2 ** 31) : Number(seed),
    ...(path === undefined ? {} : { path }),
    numRuns: runs === undefined ? usualRuns : Number(runs),
  }
  context.diagnostic(`KEYHAVEN_PROPERTY_SEED=${search.seed}`)
  return search
}

/** Starts servers as runs need them, and stops the last one at the end of the test. */
function serverSource(context: TestContext, start: () => Promise<TestServer>): () => Promise<TestServer> {
  let current: { readonly server: TestServer; readonly untilMs: number } | undefined
  context.after(() => current?.server.stop())
  return async () => {
    if (current === undefined || current.server.clock.nowMs() >= current.untilMs) {
      await current?.server.stop()
      const server = await start()
      current = { server, untilMs: server.clock.nowMs() + SERVER_AGE_MS }
    }
    return current.server
  }
}

async function newModel(server: TestServer, latencySeconds: number): Promise<Model> {
  const wanted = [
    { softDeleteRetentionInDays: 7, enablePurgeProtection: false },
    { softDeleteRetentionInDays: 90, enablePurgeProtection: true },
  ]
  const vaults = await Promise.all(wanted.map((options) => server.newVault(options)))
  return {
    vaults: vaults.map(({ name, softDeleteRetentionInDays, enablePurgeProtection }) => ({
      name,
      baseUrl: `https://${name}.vault.localhost:${server.port}`,
      retentionDays: softDeleteRetentionInDays,
      isPurgeProtected: enablePurgeProtection,
      live: new Map(),
      deleted: new Map(),
    })),
    latencySeconds,
    nowSeconds: Math.floor(server.clock.nowMs() / 1000),
    versionIds: [],
    backups: [],
  }
}

const send = (server: TestServer, { vault, method, path, body }: ResolvedCommand) =>
  server.vault(vault.name)(method, path, body)

/** A list read page by page, put together as one. */
async function sendPaged(server: TestServer, asked: ResolvedCommand, pageSize: number): Promise<TestAnswer> {
  const call = server.vault(asked.vault.name)
  const items: unknown[] = []
  let next: string | undefined = `${asked.path}?api-version=2026-04-01&maxresults=${pageSize}`
  for (let pages = 0; ; pages++) {
    assert.ok(pages < 200, 'the list does not end')
    const answer: TestAnswer = await call('GET', next)
    if (answer.status !== 200) return answer
    assert.ok(answer.json.value.length <= pageSize, 'the page is too long')
    items.push(...answer.json.value)
    next = followed(answer)
    if (next === undefined) {
      const json = { value: items, nextLink: null }
      return { ...answer, json, text: JSON.stringify(json) }
    }
  }
}

const isList = ({ kind }: Command) => kind === 'list' || kind === 'listDeleted' || kind === 'listVersions'

async function runSteps(server: TestServer, model: Model, all: readonly Step[]): Promise<void> {
  // From here on it is known when the purge job runs next.
  await server.advance(PURGE_INTERVAL_SECONDS * 1000)
  let jobDueMs = server.clock.nowMs() + PURGE_INTERVAL_SECONDS * 1000
  model.nowSeconds = Math.floor(server.clock.nowMs() / 1000)
  for (const step of all) {
    if (step.kind === 'move') {
      await server.advance(step.milliseconds)
      model.nowSeconds = Math.floor(server.clock.nowMs() / 1000)
      if (server.clock.nowMs() >= jobDueMs) {
        purgeDue(model)
        jobDueMs = server.clock.nowMs() + PURGE_INTERVAL_SECONDS * 1000
      }
      continue
    }
    const asked = resolve(model, step)
    // More versions than a page holds are rare, and possible.
    const answer = isList(step)
      ? await sendPaged(server, asked, step.pageSize ?? MAX_PAGE_SIZE)
      : await send(server, asked)
    check(model, asked, answer)
  }
  assert.deepEqual(unexpectedFailures(server), [])
}

/** What the server logged as unexpected; the whole log would tell too much. */
const unexpectedFailures = (server: TestServer) =>
  server
    .logged()
    .split('\n')
    .filter((line) => line.includes('"level":50'))

for (const latencySeconds of [0, 5]) {
  test(`any sequence of requests is answered as the model does, deletions taking ${latencySeconds} seconds`, async (context) => {
    const serverOfRun = serverSource(context, () =>
      startTestServer({ softDeleteLatencySeconds: latencySeconds, purgeIntervalSeconds: PURGE_INTERVAL_SECONDS }),
    )
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const server = await serverOfRun()
        await runSteps(server, await newModel(server, latencySeconds), all)
      }),
      searchOf(context, 60),
    )
  })
}

/** Lets other requests in before each read, as an engine that waits for a disk does. */
function yielding(data: DataFolder): DataFolder {
  return {
    ...data,
    recordsOf(vaultId) {
      const records = data.recordsOf(vaultId)
      const slow: SealedRecords = {
        ...records,
        async read(collection, key) {
          await nextTurn()
          return records.read(collection, key)
        },
        async page(collection, request) {
          await nextTurn()
          return records.page(collection, request)
        },
      }
      return slow
    },
  }
}

function* ordersOf<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length <= 1) yield items
  for (const [index, first] of items.entries()) {
    for (const rest of ordersOf([...items.slice(0, index), ...items.slice(index + 1)])) yield [first, ...rest]
  }
}

interface Answered {
  readonly asked: ResolvedCommand
  readonly answer: TestAnswer
}

/**
 * The models after every order that explains all answers; throws when there is none. There may be several: the answers
 * of two sets do not tell which one came last.
 */
function explained(models: readonly Model[], answered: readonly Answered[]): readonly Model[] {
  const possible = new Map<string, Model>()
  let reason = ''
  for (const model of models) {
    for (const order of ordersOf(answered)) {
      const attempt = copyOf(model)
      try {
        for (const { asked, answer } of order) check(attempt, asked, answer)
        possible.set(textOf(attempt), attempt)
      } catch (error) {
        if (!(error instanceof assert.AssertionError)) throw error
        reason = error.message
      }
    }
  }
  if (possible.size > 0) return [...possible.values()]
  const what = answered.map(({ asked, answer }) => `${asked.method} ${asked.path} -> ${answer.status} ${answer.text}`)
  throw new Error(`no order explains these answers:\n${what.join('\n')}\n${reason}`)
}

/** Questions that tell models apart which the answers before left possible. */
const QUESTIONS = (['listVersions', 'get', 'listDeleted'] as const).map(
  (kind): Command => ({
    kind,
    vault: 0,
    name: 'a',
    value: '',
    details: {},
    version: undefined,
    backup: 0,
    pageSize: undefined,
  }),
)

async function sendAll(server: TestServer, all: readonly ResolvedCommand[]): Promise<readonly Answered[]> {
  return Promise.all(all.map(async (asked) => ({ asked, answer: await send(server, asked) })))
}

test('requests at the same time are answered as if one came after the other', async (context) => {
  const serverOfRun = serverSource(context, () => startTestServer({}, { wrapStore: yielding }))
  // All on one name of one vault, or they would not meet.
  const meeting = command.map((one): Command => ({ ...one, vault: 0, name: one.name === 'A' ? 'A' : 'a' }))
  // At most 24 sets, so that a list is always one page.
  const rounds = fc.array(fc.array(meeting, { minLength: 2, maxLength: 3 }), {
    minLength: 2,
    maxLength: 8,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(rounds, async (all) => {
      const server = await serverOfRun()
      let models: readonly Model[] = [await newModel(server, 0)]
      for (const round of all.flatMap((meetings) => [meetings, ...QUESTIONS.map((question) => [question])])) {
        const [model] = models
        assert.ok(model !== undefined)
        models = explained(
          models,
          await sendAll(
            server,
            round.map((one) => resolve(model, one)),
          ),
        )
      }
      assert.deepEqual(unexpectedFailures(server), [])
    }),
    searchOf(context, 60),
  )
})
