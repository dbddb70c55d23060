// Runs other programs for the suites: output captured and kept in a log file, time bounded, and the whole process
// group ended when the time is up, so that a hanging client cannot hold up a run.
import { spawn } from 'node:child_process'
import { accessSync, constants, createWriteStream, mkdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/**
 * Runs `command` and answers `{ code, stdout, stderr }`; `code` is null when it was ended for taking longer than
 * `timeoutSeconds`. Never throws for a failing program, only for one that cannot be started. With `log`, both streams
 * are also written to that file.
 */
export function run(command, args, { cwd, env, timeoutSeconds = 600, log, input } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    const sink = log ? openLog(log) : undefined
    const output = { stdout: '', stderr: '' }
    let hasTimedOut = false
    const timer = setTimeout(() => {
      hasTimedOut = true
      process.kill(-child.pid, 'SIGKILL')
    }, timeoutSeconds * 1000)
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] += text
        sink?.write(text)
      })
    }
    child.stdin.on('error', () => {
      // A program that does not read its input may close it first; its exit code tells what matters.
    })
    child.stdin.end(input ?? '')
    child.on('error', (error) => {
      clearTimeout(timer)
      sink?.end()
      reject(error)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      sink?.end()
      resolve({ code: hasTimedOut ? null : code, ...output })
    })
  })
}

/** Like `run`, but throws with the end of the output when the program does not exit with 0. */
export async function runOrThrow(command, args, options) {
  const result = await run(command, args, options)
  if (result.code === 0) return result
  const end = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-15).join('\n')
  throw new Error(`${command} ${args.join(' ')} ended with ${result.code ?? 'a time-out'}:\n${end}`)
}

/** The full path of a program on PATH, or undefined. */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder; the next one is tried.
    }
  }
  return undefined
}

function openLog(path) {
  mkdirSync(dirname(path), { recursive: true })
  return createWriteStream(path)
}
