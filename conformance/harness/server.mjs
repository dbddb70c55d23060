// Starts one fresh Keyhaven for a run, exactly as docs/start-up-contract.md says, or takes one that already runs.
// What the suites get is that contract's line of JSON and nothing else: no file of src/ is ever imported.
import { spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../bin/keyhaven.mjs', import.meta.url))
const startSeconds = 60
const stopSeconds = 10

/**
 * Answers `{ base, stop }`, `base` being the parsed start-up line. Refuses when the server ends or stays silent for
 * 60 seconds. `flags` are further flags of `keyhaven dev`. The server's standard error goes to `server.log` in `workFolder`.
 */
export async function startServer(workFolder, flags = []) {
  const args = ['dev', '--json', '--data', join(workFolder, 'data'), '--port', '0', '--proxy-port', '0']
  const child = spawn(process.execPath, [command, ...args, '--managed-identity-port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(join(workFolder, 'server.log'))
  child.stderr.pipe(log)
  const stop = () => stopChild(child)
  try {
    return { base: await firstLine(child), stop }
  } catch (cause) {
    await stop()
    throw new Error(`the server did not start; see ${join(workFolder, 'server.log')}`, { cause })
  }
}

/** A server that somebody else started and stops; `file` holds the line it printed. */
export function useServer(file) {
  return { base: JSON.parse(readFileSync(file, 'utf8')), stop: async () => {} }
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no start-up line within ${startSeconds} s`)), startSeconds * 1000)
    child.on('exit', (code) => reject(new Error(`ended with ${code} before it was ready`)))
    child.on('error', reject)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      clearTimeout(timer)
      resolve(JSON.parse(line))
    })
  })
}

async function stopChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => {
    child.on('exit', resolve)
  })
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopSeconds * 1000)
  await ended
  clearTimeout(timer)
}
