// The loads of the measures once more, with the server's own profiler on. The figures of a profiled server are not
// comparable with any others; what counts here is the order of the functions.
import { runLoad } from '../load/run-load.mjs'
import { formatHottest, profiling } from '../profile.mjs'
import { CLIENTS, describeLoad, makeFolder, removeFolder, seedByRequests, startSubject } from './subject.mjs'

const SECRETS = 1000
const SERIES = 'profiled'

const loads = {
  get: [['GET', { kind: 'getSecrets', series: SERIES, count: SECRETS, isChecked: true }]],
  put: [
    ['PUT, new names', { kind: 'putNew', series: `${SERIES}-new` }],
    ['PUT, new versions', { kind: 'putVersions', series: SERIES, count: SECRETS, firstSequence: 1 }],
  ],
  scale: [['LIST', { kind: 'listPages', maxPages: SECRETS / 25 }]],
  startup: [],
}

/** Answers the text of the hottest functions for each load of a measure. */
export async function profileMeasure(measure, { seconds, origin, log }) {
  const texts = []
  for (const [title, plan] of loads[measure]) {
    const dataFolder = makeFolder('profiled')
    const profile = profiling()
    try {
      const subject = await startSubject({ dataFolder, origin, nodeFlags: profile.nodeFlags })
      let report
      try {
        await seedByRequests(subject, { series: SERIES, count: SECRETS })
        report = await runLoad({
          ...subject.target,
          connections: CLIENTS,
          plan: { ...plan, ...subject.access },
          warmUpSeconds: 1,
          seconds,
        })
      } finally {
        await subject.server.stop()
      }
      log(`  ${title}: ${describeLoad(report)}`)
      for (const one of profile.read()) {
        texts.push(`# ${title}\n${formatHottest(one, report.windowUs, { perRequest: report.accepted })}`)
      }
    } finally {
      profile.remove()
      removeFolder(dataFolder)
    }
  }
  return texts.join('\n\n')
}
