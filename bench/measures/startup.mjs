// How long until the server answers, and what memory it takes. From the start of the process, as somebody waits who
// types the command; every run is a new process.
import { requestOnce } from '../load/connection.mjs'
import { runLoad } from '../load/run-load.mjs'
import { busySecondsOfMachine, cpuSecondsOfTree, residentMebibytes } from '../measuring/cpu.mjs'
import { alternate, refusalsOf } from '../measuring/rounds.mjs'
import { formatSummary, summarize } from '../measuring/statistics.mjs'
import { secretName } from '../names.mjs'
import { isBuilt } from '../servers/start-keyhaven.mjs'
import { CLIENTS, makeFolder, removeFolder, seedByCommand, startSubject } from './subject.mjs'

const STORED = 100_000
const IDLE_MS = 2000

/** A start takes a few of the kernel's 10 ms ticks, so its foreign load is known only roughly. */
const NOISY_CORES = 0.5

export async function measureStartup({ rounds, seconds, log }) {
  const origins = isBuilt() ? ['build', 'sources'] : ['sources']
  const fullFolder = makeFolder('startup-full')
  try {
    const first = await startSubject({ dataFolder: fullFolder, origin: origins[0] })
    await first.server.stop()
    const { vaultName } = first.server
    await seedByCommand({ dataFolder: fullFolder, origin: origins[0], vaultName, series: 'startup', count: STORED })

    const contestants = {}
    for (const origin of origins) {
      contestants[`${origin}, new folder`] = async () => {
        const dataFolder = makeFolder('startup-new')
        try {
          return await startOnce({ dataFolder, origin, path: '/secrets' })
        } finally {
          removeFolder(dataFolder)
        }
      }
      const path = `/secrets/${secretName('startup', 0)}`
      contestants[`${origin}, ${STORED} secrets`] = () =>
        startOnce({ dataFolder: fullFolder, origin, path, loadSeconds: seconds })
    }
    const { reports, all, remark } = await alternate({ rounds, contestants, log, describe, noisyCores: NOISY_CORES })
    return { ...resultOf(reports), refused: refusalsOf(all), notes: [remark] }
  } finally {
    removeFolder(fullFolder)
  }
}

/** One start: until the ready line, until the first 200 of a secrets operation (its token included), and memory. */
async function startOnce({ dataFolder, origin, path, loadSeconds }) {
  const busyBefore = busySecondsOfMachine()
  const cpuBefore = process.cpuUsage()
  const { server, target, access } = await startSubject({ dataFolder, origin })
  try {
    const { status } = await requestOnce({
      ...server,
      method: 'GET',
      path: `${path}${access.query}`,
      headers: access.headers,
    })
    const firstAnswerMs = performance.now() - server.startedMs
    const own = process.cpuUsage(cpuBefore)
    const foreignSeconds =
      busySecondsOfMachine() - busyBefore - cpuSecondsOfTree(server.pid) - (own.user + own.system) / 1e6
    const foreignCores = Math.max(0, foreignSeconds) / (firstAnswerMs / 1000)
    if (status !== 200) throw new Error(`the first request was answered with ${status}`)
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
    const idleMebibytes = residentMebibytes(server.pid)
    const report = { readyMs: server.readyMs, firstAnswerMs, foreignCores, idleMebibytes }
    if (loadSeconds === undefined) return report
    const { refused } = await runLoad({
      ...target,
      connections: CLIENTS,
      plan: { kind: 'getSecrets', ...access, series: 'startup', count: STORED, isChecked: true },
      warmUpSeconds: 0,
      seconds: loadSeconds,
    })
    return { ...report, refused, loadedMebibytes: residentMebibytes(server.pid) }
  } finally {
    await server.stop()
  }
}

function describe({ readyMs, firstAnswerMs, idleMebibytes, loadedMebibytes, foreignCores }) {
  const loaded = loadedMebibytes === undefined ? '' : `, ${loadedMebibytes.toFixed(0)} MiB after load`
  return `ready ${readyMs.toFixed(0)} ms, first 200 ${firstAnswerMs.toFixed(0)} ms, idle ${idleMebibytes.toFixed(0)} MiB${loaded}, foreign ${foreignCores.toFixed(2)}`
}

function resultOf(reports) {
  const cell = (label, member) => {
    const values = reports[label].map((report) => report[member]).filter((value) => value !== undefined)
    return values.length === 0 ? '' : formatSummary(summarize(values), (value) => value.toFixed(0))
  }
  return {
    title: 'Start-up and memory',
    about:
      'From the start of the process to the ready line and to the first 200 of a secrets operation, its token included; resident memory two seconds later, and after a load of GETs.',
    columns: ['start', 'ready ms', 'first 200 ms', 'idle MiB', 'loaded MiB'],
    rows: Object.keys(reports).map((label) => [
      label,
      cell(label, 'readyMs'),
      cell(label, 'firstAnswerMs'),
      cell(label, 'idleMebibytes'),
      cell(label, 'loadedMebibytes'),
    ]),
    verdicts: [],
    reports,
  }
}
