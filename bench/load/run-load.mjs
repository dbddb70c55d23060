// Starts the generator for one load and answers its report.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const generator = fileURLToPath(new URL('./generator.mjs', import.meta.url))

/** Added to the time a load says it takes before it is given up: connecting, names, the last answers. */
const GRACE_SECONDS = 60

/**
 * Runs one load against a server on this machine. Rejects when an answer with a good status had wrong content, when a
 * connection broke, or when the load takes far longer than it should; refused requests are counted in the report.
 */
export async function runLoad(job) {
  const child = fork(generator, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { promise, resolve, reject } = Promise.withResolvers()
  const deadline = setTimeout(
    () => reject(new Error('the load did not end in time')),
    (job.warmUpSeconds + job.seconds + GRACE_SECONDS) * 1000,
  )
  child.once('error', reject)
  child.once('message', ({ report, problem }) => (report ? resolve(report) : reject(new Error(problem))))
  child.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)))
  try {
    child.send(job)
    const report = await promise
    return {
      ...report,
      perSecond: report.accepted / report.wallSeconds,
      perCpuSecond: report.accepted / report.serverCpuSeconds,
      cpuMicroseconds: (report.serverCpuSeconds * 1e6) / report.accepted,
      serverCores: report.serverCpuSeconds / report.wallSeconds,
    }
  } finally {
    clearTimeout(deadline)
    child.removeAllListeners('exit')
    if (child.exitCode === null) child.kill('SIGKILL')
  }
}
