// Starts the bare server with the bytes that Keyhaven answered, and makes sure that they are the same bytes.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { requestOnce } from '../load/connection.mjs'
import { selfSigned } from './self-signed.mjs'

const bareServer = fileURLToPath(new URL('./bare.mjs', import.meta.url))

/** Node writes these itself, after all others, in both servers. */
const ADDED_BY_NODE = ['date', 'connection', 'keep-alive']

/** Headers whose value changes with every answer; the bare server repeats the one it was given, as long as another. */
const VARYING = ['date', 'x-ms-request-id']

/**
 * `answer` is a whole HTTP/1.1 answer as it came from Keyhaven. The bare server is asked once and its answer compared
 * header by header, so that a difference in the bytes can not flatter either side. Dispose of it with `stop()`.
 */
export async function startBare({ serverName, answer, request }) {
  const { key, certificate } = selfSigned(serverName)
  const { status, headers, body } = parseAnswer(answer)
  const child = fork(bareServer, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.send({
    key,
    certificate,
    status,
    headers: headers.filter(([name]) => !ADDED_BY_NODE.includes(name.toLowerCase())).flat(),
    body,
    keepAliveSeconds: Number(
      /timeout=(\d+)/.exec(headers.find(([name]) => name === 'Keep-Alive')?.[1] ?? '')?.[1] ?? 5,
    ),
  })
  const [{ port }] = await once(child, 'message')
  const server = { port, serverName, ca: certificate, pid: child.pid, stop: () => child.disconnect() }
  const own = await requestOnce({ ...server, ...request })
  const difference = differenceOf(parseAnswer(answer), parseAnswer(own.bytes))
  if (difference !== undefined) {
    server.stop()
    throw new Error(`the bare server does not answer the same bytes: ${difference}`)
  }
  return server
}

export function parseAnswer(bytes) {
  const text = bytes.toString('utf8')
  const headEnd = text.indexOf('\r\n\r\n')
  const [statusLine, ...lines] = text.slice(0, headEnd).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(headEnd + 4) }
}

/** What tells the two answers apart, in words; undefined if nothing does but what has to vary. */
export function differenceOf(expected, found) {
  if (expected.status !== found.status) return `status ${found.status} instead of ${expected.status}`
  if (expected.body !== found.body) return 'another body'
  const names = ({ headers }) => headers.map(([name]) => name).join(', ')
  if (names(expected) !== names(found)) return `headers ${names(found)} instead of ${names(expected)}`
  for (const [index, [name, value]] of expected.headers.entries()) {
    const other = found.headers[index][1]
    if (VARYING.includes(name.toLowerCase()) ? other.length !== value.length : other !== value) {
      return `${name}: ${other} instead of ${value}`
    }
  }
  return undefined
}
