// Where the server's time goes: the functions with the most time of their own in a CPU profile that Node wrote.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, removeFolder } from './measures/subject.mjs'

const SAMPLING_MICROSECONDS = 200

/** Starts nothing itself: the flags go to the server's Node, the profile is there once the server has ended. */
export function profiling() {
  const folder = makeFolder('profile')
  return {
    nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLING_MICROSECONDS}`],
    read: () => {
      const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
      return files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    },
    remove: () => removeFolder(folder),
  }
}

/**
 * Self time by function and by file, over the samples between two moments of the monotonic clock (microseconds), so
 * that start-up and warm-up stay out. Times are shares of the samples in which the thread was busy.
 */
export function hottest(profile, { fromUs = Number.NEGATIVE_INFINITY, untilUs = Number.POSITIVE_INFINITY } = {}) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const functions = new Map()
  const files = new Map()
  let busyUs = 0
  let atUs = profile.startTime
  for (const [index, id] of profile.samples.entries()) {
    const spentUs = profile.timeDeltas[index]
    atUs += spentUs
    if (atUs < fromUs || atUs > untilUs) continue
    const { functionName, url, lineNumber } = nodes.get(id).callFrame
    if (functionName === '(idle)') continue
    busyUs += spentUs
    const file = shortFile(url)
    const name = `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
    functions.set(name, (functions.get(name) ?? 0) + spentUs)
    files.set(file || functionName, (files.get(file || functionName) ?? 0) + spentUs)
  }
  return { busySeconds: busyUs / 1e6, functions: ranked(functions, busyUs), files: ranked(files, busyUs) }
}

/** Time of functions together with everything they called, for naming the step of the pipeline that costs. */
export function inclusive(profile, { fromUs = Number.NEGATIVE_INFINITY, untilUs = Number.POSITIVE_INFINITY } = {}) {
  const parents = new Map()
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  for (const { id, children = [] } of profile.nodes) for (const child of children) parents.set(child, id)
  const totals = new Map()
  let busyUs = 0
  let atUs = profile.startTime
  for (const [index, id] of profile.samples.entries()) {
    const spentUs = profile.timeDeltas[index]
    atUs += spentUs
    if (atUs < fromUs || atUs > untilUs || nodes.get(id).callFrame.functionName === '(idle)') continue
    busyUs += spentUs
    const seen = new Set()
    for (let current = id; current !== undefined; current = parents.get(current)) {
      const { functionName, url, lineNumber } = nodes.get(current).callFrame
      const name = `${functionName || '(anonymous)'}  ${shortFile(url)}:${lineNumber + 1}`
      if (seen.has(name)) continue
      seen.add(name)
      totals.set(name, (totals.get(name) ?? 0) + spentUs)
    }
  }
  return ranked(totals, busyUs)
}

function ranked(times, totalUs) {
  return [...times].map(([name, us]) => ({ name, share: us / totalUs })).toSorted((a, b) => b.share - a.share)
}

function shortFile(url) {
  return url.replace(/^file:\/\//, '').replace(/^.*\/((?:src|dist|node_modules|bin)\/)/, '$1')
}

/** The lists as text, `top` lines each. */
export function formatHottest(profile, window, { perRequest, top = 30 }) {
  const { busySeconds, functions, files } = hottest(profile, window)
  const lines = (list) =>
    list.slice(0, top).map(({ name, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`)
  const own = inclusive(profile, window).filter(({ name }) => / {2}(src|dist)\//.test(name))
  return [
    `busy ${busySeconds.toFixed(2)} s of the main thread${perRequest === undefined ? '' : `, ${((busySeconds * 1e6) / perRequest).toFixed(1)} us per request`}`,
    'own time by function:',
    ...lines(functions),
    'own time by file:',
    ...lines(files),
    "Keyhaven's functions with all they call:",
    ...lines(own),
  ].join('\n')
}
