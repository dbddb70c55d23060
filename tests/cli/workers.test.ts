import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { connectTo } from '../support/real-client.ts'
import { childrenOf, killChild, type RealServer, TEST_PORTS } from '../support/real-server.ts'
import { runInProcess } from '../support/run-in-process.ts'
import { assertDone, assertRefusedCommand, connectToDev, type DevClient, scratch } from './dev-fixture.ts'

const { newFolder, run, startDev } = scratch()
const folder = newFolder()
const CONNECTIONS = 6
const MAX_CONNECTIONS = 60
const REPLACED_MS = 15_000
let server: RealServer

before(async () => {
  server = await startDev(folder, '--workers', '2')
})
after(async () => {
  await server.kill()
})

/** Clients of both workers; the system decides who takes which connection, so there are as many as it needs. */
async function connectToBoth(): Promise<readonly DevClient[]> {
  const clients: DevClient[] = []
  const requestIds: string[] = []
  for (;;) {
    assert.ok(clients.length < MAX_CONNECTIONS, 'all connections go to the same worker')
    const client = await connectToDev(server)
    clients.push(client)
    requestIds.push(String((await client.send('GET', '/secrets')).headers['x-ms-request-id']))
    const streams = answeredBy()
    if (clients.length >= CONNECTIONS && new Set(requestIds.map((id) => streams.get(id))).size === 2) return clients
  }
}

/** The audit streams of the workers, each with the ids of the requests that this worker answered. */
function answeredBy(): ReadonlyMap<string, string> {
  const answered = new Map<string, string>()
  for (const stream of readdirSync(join(folder, 'audit'))) {
    for (const name of readdirSync(join(folder, 'audit', stream))) {
      const text = readFileSync(join(folder, 'audit', stream, name), 'utf8')
      for (const [, id = ''] of text.matchAll(/"requestId":"([^"]+)"/g)) answered.set(id, stream)
    }
  }
  return answered
}

describe('a server with two workers', () => {
  test('shows what was written through one of them at once through both', async () => {
    const clients = await connectToBoth()
    const requestIds: string[] = []
    for (let number = 0; number < 30; number++) {
      const writing = clients[number % clients.length]
      const name = `shown-${number % 5}`
      const set = await writing?.send('PUT', `/secrets/${name}`, { value: `value ${number}` })
      assert.equal(set?.status, 200, set?.text)
      for (const answer of await Promise.all(clients.map((client) => client.send('GET', `/secrets/${name}`)))) {
        assert.equal(answer.json.value, `value ${number}`)
        requestIds.push(String(answer.headers['x-ms-request-id']))
      }
    }
    const streams = answeredBy()
    const used = new Set(requestIds.map((id) => streams.get(id)))
    assert.deepEqual([...used].sort(), ['worker-1', 'worker-2'])
    for (const client of clients) client.close()
  })

  test('shows a change of the directory at once through both', async () => {
    const clients = await connectToBoth()
    for (const [rbac, status] of [
      ['false', 403],
      ['true', 200],
      ['false', 403],
      ['true', 200],
    ] as const) {
      assertDone(await runInProcess('vault', 'update', '--name', 'dev', '--rbac', rbac, '--data', folder))
      for (const client of clients) assert.equal((await client.send('GET', '/secrets')).status, status)
    }
    for (const client of clients) client.close()
  })

  test('loses no acknowledged write when a worker is killed, and gets another one', async () => {
    const clients = await connectToBoth()
    const acknowledged = new Map<string, string>()
    let isOver = false
    const work = async (client: DevClient, id: number) => {
      for (let number = 0; !isOver; number++) {
        const name = `kept-${id}-${number}`
        const answer = await client.send('PUT', `/secrets/${name}`, { value: name }).catch(() => undefined)
        // Whoever was connected to the killed worker has lost the connection.
        if (answer === undefined) return
        assert.equal(answer.status, 200, answer.text)
        acknowledged.set(name, name)
        if (acknowledged.size === 60) killOne()
        if (acknowledged.size >= 120) isOver = true
      }
    }
    const workers = childrenOf(server.pid)
    assert.equal(workers.length, 2)
    let killing: Promise<void> | undefined
    const killOne = () => {
      killing = killChild(server, workers[0] ?? assert.fail())
    }
    await Promise.all(clients.map(work))
    await killing
    assert.ok(acknowledged.size >= 60)
    for (const client of clients) client.close()
    const reading = await connectToDev(server)
    for (const [name, value] of acknowledged) {
      assert.equal((await reading.send('GET', `/secrets/${name}`)).json.value, value)
    }
    reading.close()
    await replaced()
    const verify = await runInProcess('audit', 'verify', '--data', folder, '--json')
    assert.equal(verify.code, 0, verify.stdout)
    assertDone(await runInProcess('doctor', '--data', folder))
  })

  test('lets no connection hang that comes in while a worker dies', async () => {
    let isOver = false
    let answered = 0
    // Each request over a new connection. One that was with the killed worker is lost, and the client knows at once.
    const knock = async () => {
      while (!isOver) {
        const client = connectTo(server.ready)
        const request = { method: 'GET', host: 'dev.vault.localhost', path: '/healthstatus' }
        const { message } = await client.send(request).then(
          () => ({ message: 'answered' }),
          (error: Error) => error,
        )
        assert.doesNotMatch(message, /^no answer/)
        if (message === 'answered') answered++
        client.close()
      }
    }
    const knocking = Array.from({ length: 12 }, knock)
    try {
      for (let kills = 1; kills <= 2; kills++) {
        const before = answered
        while (answered < before + 60) await wait(10)
        await killChild(server, childrenOf(server.pid)[0] ?? assert.fail())
        await replaced()
      }
    } finally {
      isOver = true
      await Promise.all(knocking)
    }
  })

  test('ends when it is told to, its workers too', async () => {
    const workers = childrenOf(server.pid)
    assert.equal(workers.length, 2)
    assert.deepEqual(await server.stop(), { code: 0, signal: null })
    for (const pid of workers) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    const again = await startDev(folder, '--workers', '2')
    assert.equal((await again.stop()).code, 0)
  })
})

describe('a server with workers refuses', () => {
  test('a port that is taken, with a sentence, and ends', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    assert.ok(typeof address === 'object' && address !== null)
    const ports = TEST_PORTS.with(1, String(address.port))
    const refused = await run('dev', '--json', '--data', newFolder(), ...ports, '--workers', '2')
    taken.close()
    assertRefusedCommand(refused, new RegExp(`port ${address.port} is taken by another program; choose another one`))
  })
})

/** Waits, after a worker was killed, until both of them answer: the other one, and the one that took its place. */
async function replaced(): Promise<void> {
  const deadlineMs = performance.now() + REPLACED_MS
  const requestIds: string[] = []
  for (;;) {
    assert.ok(performance.now() < deadlineMs, 'the killed worker was not replaced')
    const client = await connectToDev(server)
    requestIds.push(String((await client.send('GET', '/secrets')).headers['x-ms-request-id']))
    client.close()
    const streams = answeredBy()
    if (new Set(requestIds.map((id) => streams.get(id))).size === 2) return
    await wait(20)
  }
}
