// GET of a secret's value, with authorization and audit on, against a node:https server that answers the same bytes.
import { runLoad } from '../load/run-load.mjs'
import { alternate, refusalsOf } from '../measuring/rounds.mjs'
import { formatNumber, formatSummary, pairedRatios, summarize } from '../measuring/statistics.mjs'
import { secretName } from '../names.mjs'
import { startBare } from '../servers/start-bare.mjs'
import {
  CLIENTS,
  describeLoad,
  makeFolder,
  removeFolder,
  requireAccessControl,
  seedByRequests,
  startSubject,
} from './subject.mjs'

const SECRETS = 1000
const SERIES = 'get'

export async function measureGet({ rounds, seconds, origin, log }) {
  const dataFolder = makeFolder('get')
  const subject = await startSubject({ dataFolder, origin })
  let bare
  try {
    await seedByRequests(subject, { series: SERIES, count: SECRETS })
    const path = `/secrets/${secretName(SERIES, 0)}`
    const { bytes } = await requireAccessControl(subject, path)
    const { access, target } = subject
    bare = await startBare({
      serverName: target.serverName,
      answer: bytes,
      request: { method: 'GET', path: `${path}${access.query}`, headers: access.headers },
    })
    const bareTarget = { port: bare.port, serverName: bare.serverName, ca: bare.ca, serverPid: bare.pid }
    const load = (where, isChecked) => () =>
      runLoad({
        ...where,
        connections: CLIENTS,
        plan: { kind: 'getSecrets', ...access, series: SERIES, count: SECRETS, isChecked },
        warmUpSeconds: 1,
        seconds,
      })
    const { reports, all, remark } = await alternate({
      rounds,
      contestants: { bare: load(bareTarget, false), keyhaven: load(target, true) },
      log,
      describe: describeLoad,
    })
    requireSameTls(reports)
    return { ...resultOf(reports, bytes.length), refused: refusalsOf(all), notes: [remark] }
  } finally {
    bare?.stop()
    await subject.server.stop()
    removeFolder(dataFolder)
  }
}

function requireSameTls({ bare, keyhaven }) {
  const facts = (reports) => [...new Set(reports.map((report) => report.tlsFacts))].join(' and ')
  if (facts(bare) !== facts(keyhaven)) throw new Error(`TLS differs: bare ${facts(bare)}, Keyhaven ${facts(keyhaven)}`)
}

function resultOf(reports, answerBytes) {
  const of = (label, member) => reports[label].map((report) => report[member])
  const row = (label, name) => [
    name,
    formatSummary(summarize(of(label, 'perCpuSecond'))),
    formatSummary(summarize(of(label, 'cpuMicroseconds'))),
    formatSummary(summarize(of(label, 'perSecond'))),
    formatSummary(summarize(of(label, 'serverCores'))),
    formatNumber(summarize(reports[label].map(({ latencyMs }) => latencyMs.p99)).median),
    formatSummary(summarize(of(label, 'foreignCores'))),
  ]
  return {
    title: 'GET secret',
    about: `${SECRETS} secrets read at random by ${CLIENTS} clients, answers of ${answerBytes} bytes, ${reports.keyhaven[0].tlsFacts}, keep-alive. CPU is user and system time of the server's processes.`,
    columns: ['server', 'per CPU second', 'CPU us each', 'per second', 'server cores', 'p99 ms', 'foreign cores'],
    rows: [row('bare', 'bare node:https'), row('keyhaven', 'Keyhaven')],
    verdicts: [
      {
        what: 'requests per CPU second, Keyhaven to bare node:https',
        ratio: summarize(pairedRatios(of('keyhaven', 'perCpuSecond'), of('bare', 'perCpuSecond'))),
        atLeast: 0.5,
      },
    ],
    reports,
  }
}
