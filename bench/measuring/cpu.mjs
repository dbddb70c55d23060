// CPU time as the kernel accounts it. A figure per CPU second of the server is far steadier on a shared machine than a
// figure per second of wall time, because waiting for a core that somebody else uses costs no CPU time.
import { readdirSync, readFileSync } from 'node:fs'

/** The unit of /proc/PID/stat and /proc/stat: USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/**
 * The fields of one /proc/PID/stat line that matter here. The command's name stands in parentheses and may hold
 * spaces and parentheses itself, so the fields are counted from the last one.
 */
export function parseProcessStat(line) {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { parentPid: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND }
}

/** User and system seconds of the process and of everything below it that lives; threads are counted in. */
export function cpuSecondsOfTree(pid) {
  const processes = new Map()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const line = readIfThere(`/proc/${entry}/stat`)
    if (line !== undefined) processes.set(Number(entry), parseProcessStat(line))
  }
  if (!processes.has(pid)) throw new Error(`process ${pid} has ended, its CPU time cannot be read`)
  let total = 0
  const wanted = [pid]
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    total += processes.get(next).cpuSeconds
    for (const [child, { parentPid }] of processes) if (parentPid === next) wanted.push(child)
  }
  return total
}

/** Seconds that all cores together were not idle, the time the host took away (steal) included. */
export function parseBusySeconds(statFile) {
  const [user, nice, system, , , irq, softirq, steal] = statFile.slice(0, statFile.indexOf('\n')).split(/\s+/).slice(1)
  return (
    [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks ?? 0), 0) / TICKS_PER_SECOND
  )
}

export function busySecondsOfMachine() {
  return parseBusySeconds(readFileSync('/proc/stat', 'latin1'))
}

/** Resident memory in MiB, of the process alone. */
export function residentMebibytes(pid) {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (match === null) throw new Error(`/proc/${pid}/status has no VmRSS`)
  return Number(match[1]) / 1024
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    // Processes end between the listing and the read; what has ended has no CPU time to add.
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
    throw error
  }
}
