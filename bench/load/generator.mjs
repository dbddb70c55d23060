// The load generator: a process of its own, so that its CPU time is never taken for the server's. It gets one job,
// opens the connections, warms up, measures one window and reports. The CPU counters are read here, in the same turn in
// which the window begins and ends, because a message to another process in between would blur the window.
import { busySecondsOfMachine, cpuSecondsOfTree } from '../measuring/cpu.mjs'
import { quantile } from '../measuring/statistics.mjs'
import { bodyOf, connect, statusOf } from './connection.mjs'
import { makePlan } from './plans.mjs'

/** A load stops here even if its time is not over. */
const MAX_REQUESTS = 2_000_000

process.once('message', async (job) => {
  try {
    process.send({ report: await run(job) }, () => process.disconnect())
  } catch (error) {
    process.send({ problem: error.stack }, () => process.disconnect())
  }
})

// Whoever asked is gone, or has its answer.
process.once('disconnect', () => process.exit(0))

/**
 * Runs `connections` clients in a closed loop. Answers of the warm-up are checked but not counted; a request under way
 * at the end of the window is waited for and not counted either.
 */
async function run({ port, serverName, ca, connections, plan: description, serverPid, warmUpSeconds, seconds }) {
  const plan = makePlan(description, connections)
  const clients = await Promise.all(Array.from({ length: connections }, () => connect({ port, serverName, ca })))
  const tlsFacts = [...new Set(clients.map((client) => client.tlsFacts))].join(' and ')

  const latenciesMs = []
  const refused = {}
  let accepted = 0
  let acceptedInAll = 0
  let sent = 0
  let isCounting = false
  let isOver = false
  let refusedSample

  const loop = (connection, client) => {
    const { promise, resolve, reject } = Promise.withResolvers()
    let startedMs = 0
    const sendNext = () => {
      const request = isOver || sent >= MAX_REQUESTS ? undefined : plan.next(client)
      if (request === undefined) return resolve()
      sent += 1
      startedMs = performance.now()
      connection.send(request, take, reject)
    }
    const take = (answer) => {
      const status = statusOf(answer)
      if (status === 200) {
        try {
          plan.accept(client, answer)
        } catch (error) {
          return reject(error)
        }
        acceptedInAll += 1
      } else {
        refused[status] = (refused[status] ?? 0) + 1
        refusedSample ??= bodyOf(answer).slice(0, 300)
      }
      if (isCounting && status === 200) {
        accepted += 1
        latenciesMs.push(performance.now() - startedMs)
      }
      sendNext()
    }
    sendNext()
    return promise
  }

  const counters = () => ({
    wallMs: performance.now(),
    monotonicUs: Number(process.hrtime.bigint() / 1000n),
    serverCpu: serverPid === undefined ? 0 : cpuSecondsOfTree(serverPid),
    machineBusy: busySecondsOfMachine(),
    own: process.cpuUsage(),
  })

  const allDone = Promise.all(clients.map(loop))
  try {
    await Promise.race([allDone, delay(warmUpSeconds * 1000)])
    const before = counters()
    isCounting = true
    await Promise.race([allDone, delay(seconds * 1000)])
    isCounting = false
    const after = counters()
    isOver = true
    await allDone

    const wallSeconds = (after.wallMs - before.wallMs) / 1000
    const serverCpuSeconds = after.serverCpu - before.serverCpu
    const ownCpuSeconds = (after.own.user + after.own.system - before.own.user - before.own.system) / 1e6
    const sorted = latenciesMs.toSorted((a, b) => a - b)
    return {
      accepted,
      acceptedInAll,
      refused,
      refusedSample,
      wallSeconds,
      serverCpuSeconds,
      generatorCores: ownCpuSeconds / wallSeconds,
      foreignCores:
        Math.max(0, after.machineBusy - before.machineBusy - serverCpuSeconds - ownCpuSeconds) / wallSeconds,
      latencyMs: sorted.length === 0 ? undefined : { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
      /** On the clock that CPU profiles of other processes use too. */
      windowUs: { fromUs: before.monotonicUs, untilUs: after.monotonicUs },
      tlsFacts,
      summary: plan.summary?.(),
    }
  } finally {
    for (const client of clients) client.close()
  }
}

function delay(milliseconds) {
  const { promise, resolve } = Promise.withResolvers()
  setTimeout(resolve, milliseconds).unref()
  return promise
}
