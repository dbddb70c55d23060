// Whether a request's cost grows with the number of secrets in the vault. All sizes are served at the same time, each
// by a server of its own, and loaded in turn, so that they meet the same machine.
import { runLoad } from '../load/run-load.mjs'
import { alternate, refusalsOf } from '../measuring/rounds.mjs'
import { formatNumber, formatSummary, pairedRatios, summarize } from '../measuring/statistics.mjs'
import { CLIENTS, describeLoad, makeFolder, removeFolder, seedByCommand, startSubject } from './subject.mjs'

const MAX_PAGES = 400

export async function measureScale({ rounds, seconds, origin, sizes, log }) {
  const subjects = []
  try {
    for (const size of sizes) subjects.push(await prepare({ size, origin, log }))
    const contestants = {}
    for (const { size, target, access } of subjects) {
      const load = (plan) => () =>
        runLoad({ ...target, connections: CLIENTS, plan: { ...plan, ...access }, warmUpSeconds: 1, seconds })
      contestants[`get ${size}`] = load({ kind: 'getSecrets', series: 'scale', count: size, isChecked: true })
      contestants[`list ${size}`] = load({ kind: 'listPages', maxPages: MAX_PAGES })
    }
    const { reports, all, remark } = await alternate({ rounds, contestants, log, describe: describeLoad })
    const result = resultOf(reports, subjects)
    return { ...result, refused: refusalsOf(all), notes: [...result.notes, remark] }
  } finally {
    for (const { server, dataFolder } of subjects) {
      await server.stop()
      removeFolder(dataFolder)
    }
  }
}

/** The first start makes the folder and its vault, then the secrets are put in, then the server is started to stay. */
async function prepare({ size, origin, log }) {
  const dataFolder = makeFolder(`scale-${size}`)
  try {
    const first = await startSubject({ dataFolder, origin })
    const { vaultName } = first.server
    await first.server.stop()
    const seedSeconds = await seedByCommand({ dataFolder, origin, vaultName, series: 'scale', count: size })
    log(`  ${size} secrets seeded in ${seedSeconds.toFixed(1)} s`)
    return { size, dataFolder, seedSeconds, ...(await startSubject({ dataFolder, origin })) }
  } catch (error) {
    removeFolder(dataFolder)
    throw error
  }
}

function resultOf(reports, subjects) {
  const of = (label, member) => reports[label].map((report) => report[member])
  const smallest = subjects[0].size
  const largest = subjects.at(-1).size
  const growth = (what) =>
    summarize(pairedRatios(of(`${what} ${largest}`, 'cpuMicroseconds'), of(`${what} ${smallest}`, 'cpuMicroseconds')))
  return {
    title: 'Cost by number of secrets',
    about: `GET of a secret at random over all names, and lists of 25 per page walked along next links up to ${MAX_PAGES} pages, by ${CLIENTS} clients. Names are spread evenly.`,
    columns: ['what', 'CPU us each', 'per second', 'p99 ms', 'foreign cores'],
    rows: Object.keys(reports).map((label) => [
      label,
      formatSummary(summarize(of(label, 'cpuMicroseconds'))),
      formatSummary(summarize(of(label, 'perSecond'))),
      formatNumber(summarize(reports[label].map(({ latencyMs }) => latencyMs.p99)).median),
      formatSummary(summarize(of(label, 'foreignCores'))),
    ]),
    verdicts: [
      { what: `CPU per GET at ${largest} secrets to ${smallest}`, ratio: growth('get'), atMost: 1.2 },
      { what: `CPU per list page at ${largest} secrets to ${smallest}`, ratio: growth('list') },
    ],
    notes: subjects.map(({ size, seedSeconds }) => `${size} secrets were seeded in ${seedSeconds.toFixed(1)} s`),
    reports,
  }
}
