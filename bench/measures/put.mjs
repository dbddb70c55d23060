// PUT of secrets by 32 clients at once, against what the store commits for a single client. More than one commit's
// worth of requests has to share one wait for the disk to get above that rate. What was acknowledged is read back
// after the server was killed and started again.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLoad } from '../load/run-load.mjs'
import { alternate, refusalsOf } from '../measuring/rounds.mjs'
import { formatNumber, formatSummary, pairedRatios, summarize } from '../measuring/statistics.mjs'
import { CLIENTS, describeLoad, makeFolder, removeFolder, seedByRequests, startSubject } from './subject.mjs'

const EXISTING = 320
const MAX_READ_BACK = 50_000

/** More than elsewhere, because the kernel's own work for durable writes counts as foreign. */
const NOISY_CORES = 0.35

const commitRateProcess = fileURLToPath(new URL('../store/commit-rate.mjs', import.meta.url))

export async function measurePut({ rounds, seconds, origin, log }) {
  const folder = makeFolder('put')
  const dataFolder = join(folder, 'data')
  let subject = await startSubject({ dataFolder, origin })
  try {
    await seedByRequests(subject, { series: 'existing', count: EXISTING })
    const sealedBytes = await sealedSecretBytes(dataFolder)
    log(`  a sealed secret has ${sealedBytes} bytes`)

    const acknowledged = { existing: new Map(Array.from({ length: EXISTING }, (_, number) => [number, 0])) }
    let firstSequence = 1
    const put = (plan) =>
      runLoad({
        ...subject.target,
        connections: CLIENTS,
        plan: { ...plan, ...subject.access },
        warmUpSeconds: 0.5,
        seconds,
      })
    const putNew = async () => {
      const series = `new-${Object.keys(acknowledged).length}`
      const report = await put({ kind: 'putNew', series })
      acknowledged[series] = new Map(Array.from({ length: report.summary.made }, (_, number) => [number, 0]))
      return report
    }
    const putVersions = async () => {
      const report = await put({ kind: 'putVersions', series: 'existing', count: EXISTING, firstSequence })
      const newest = Object.entries(report.summary.newest)
      for (const [number, sequence] of newest) acknowledged.existing.set(Number(number), sequence)
      firstSequence = 1 + Math.max(...newest.map(([, sequence]) => sequence))
      return report
    }
    const { reports, all, remark } = await alternate({
      rounds,
      contestants: {
        'plain node:sqlite': commitRate({ engine: 'plain', folder, sealedBytes, seconds }),
        'store, one client': commitRate({ engine: 'store', folder, sealedBytes, seconds }),
        'keyhaven, new names': putNew,
        'keyhaven, new versions': putVersions,
      },
      log,
      noisyCores: NOISY_CORES,
      describe: (report) => (report.refused ? describeLoad(report) : describeCommits(report)),
    })
    const refused = refusalsOf(all)
    await subject.server.kill()
    subject = await startSubject({ dataFolder, origin })
    const readBack = Object.keys(refused).length === 0 ? await readAllBack(subject, acknowledged) : 0
    log(`  ${readBack} values read back after a kill`)
    return { ...resultOf(reports, { sealedBytes, readBack }), refused, notes: [remark] }
  } finally {
    await subject.server.stop()
    removeFolder(folder)
  }
}

/** Bytes of one sealed secret as the store got it, found by looking into the data folder's database. */
async function sealedSecretBytes(dataFolder) {
  const { DatabaseSync } = await import('node:sqlite')
  const file = readdirSync(dataFolder, { recursive: true }).find((name) => /\.(db|sqlite3?)$/.test(name))
  if (file === undefined) throw new Error(`no database was found below ${dataFolder}`)
  const database = new DatabaseSync(join(dataFolder, file), { readOnly: true })
  try {
    const { bytes } = database.prepare('SELECT avg(length("body")) AS bytes FROM "secrets"').get()
    return Math.round(bytes)
  } finally {
    database.close()
  }
}

/** Each round is a process of its own on a database of its own. */
function commitRate({ engine, folder, sealedBytes, seconds }) {
  return async () => {
    const child = fork(commitRateProcess, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.send({
      engine,
      folder: mkdtempSync(join(folder, `${engine}-`)),
      bodyBytes: sealedBytes,
      warmUpSeconds: 0.5,
      seconds,
    })
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the commit loop ended with ${code}`)
      }),
    ])
    return message
  }
}

function describeCommits(report) {
  return `${report.perSecond.toFixed(0)}/s durable, p50 ${report.latencyMs.p50.toFixed(2)} ms p99 ${report.latencyMs.p99.toFixed(2)} ms, foreign ${report.foreignCores.toFixed(2)}`
}

/** Compares every acknowledged value, the newest of each name; above the limit an even share of them. */
async function readAllBack({ target, access }, acknowledged) {
  const all = Object.values(acknowledged).reduce((sum, map) => sum + map.size, 0)
  const step = Math.ceil(all / MAX_READ_BACK)
  let compared = 0
  for (const [series, map] of Object.entries(acknowledged)) {
    const expected = [...map].filter((_, index) => index % step === 0)
    const report = await runLoad({
      ...target,
      connections: CLIENTS,
      plan: { kind: 'readBack', ...access, series, expected },
      warmUpSeconds: 0,
      seconds: 120,
    })
    if (report.acceptedInAll !== expected.length) {
      throw new Error(`${expected.length - report.acceptedInAll} acknowledged secrets could not be read after a kill`)
    }
    compared += report.acceptedInAll
  }
  return compared
}

function resultOf(reports, { sealedBytes, readBack }) {
  const of = (label, member) => reports[label].map((report) => report[member])
  const labels = Object.keys(reports)
  const verdict = (label) => ({
    what: `PUT per second, ${label.replace('keyhaven, ', '')}, to the store's commits per second for one client`,
    ratio: summarize(pairedRatios(of(label, 'perSecond'), of('store, one client', 'perSecond'))),
    atLeast: 1.5,
  })
  return {
    title: 'PUT secret',
    about: `${CLIENTS} clients; the store and plain node:sqlite (WAL, synchronous=FULL) commit rows of ${sealedBytes} bytes one at a time. ${readBack} acknowledged values were read back and compared after the server was killed and started again.`,
    columns: ['what', 'per second', 'CPU us each', 'p50 ms', 'p99 ms', 'foreign cores'],
    rows: labels.map((label) => [
      label,
      formatSummary(summarize(of(label, 'perSecond'))),
      reports[label][0].cpuMicroseconds === undefined ? '' : formatSummary(summarize(of(label, 'cpuMicroseconds'))),
      formatNumber(summarize(reports[label].map(({ latencyMs }) => latencyMs.p50)).median),
      formatNumber(summarize(reports[label].map(({ latencyMs }) => latencyMs.p99)).median),
      formatSummary(summarize(of(label, 'foreignCores'))),
    ]),
    verdicts: [verdict('keyhaven, new names'), verdict('keyhaven, new versions')],
    reports,
  }
}
