// Runs one node:test file as a child and counts its outcomes from the TAP it writes beside the readable report.
import { readFileSync } from 'node:fs'
import { run } from './child.mjs'

/** Answers `{ passed, failed, skipped, notes }`; `label` names the log files in the work folder. */
export async function runNodeTests(context, { file, env, label, wrap, timeoutSeconds = 300 }) {
  const tap = `${context.logFolder}/${label}.tap`
  const args = ['--test', '--test-reporter=tap', `--test-reporter-destination=${tap}`, file]
  const [command, wrapped] = wrap ? wrap(process.execPath, args) : [process.execPath, args]
  const result = await run(command, wrapped, { env, timeoutSeconds, log: `${context.logFolder}/${label}.log` })
  return countTap(tap, result, label)
}

function countTap(path, result, label) {
  const text = readFileSync(path, 'utf8')
  const count = (word) => Number(text.match(new RegExp(`^# ${word} (\\d+)$`, 'm'))?.[1] ?? 0)
  const notes = failures(text).map((line) => `${label}: ${line}`)
  const failed = count('fail') + count('cancelled')
  if (result.code !== 0 && failed === 0)
    return { passed: count('pass'), failed: 1, skipped: 0, notes: [ended(result, label)] }
  return { passed: count('pass'), failed, skipped: count('skipped') + count('todo'), notes }
}

function ended(result, label) {
  const end = result.stderr.trim().split('\n').slice(-5).join(' | ')
  return `${label}: the runner ended with ${result.code ?? 'a time-out'}: ${end}`
}

function failures(text) {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    if (!/^\s*not ok /.test(line)) return []
    const rest = lines.slice(at, at + 60).join('\n')
    const message = rest.match(/error: (?:\|-\n)?\s*([\s\S]*?)\n\s*(?:code|name|stack):/)?.[1] ?? ''
    return [`${line.trim().replace(/^not ok \d+ - /, '')}: ${message.replace(/\s+/g, ' ').slice(0, 600)}`]
  })
}
