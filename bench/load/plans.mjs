// What a load consists of. A plan makes the next request of a client and judges its answer; it runs inside the
// generator's process, described by plain data that can be sent there.
import { secretName, secretValue } from '../names.mjs'
import { bodyOf, requestBytes } from './connection.mjs'

/** At most this many names of a series are held as ready requests; a larger series is sampled evenly. */
const MAX_PREPARED = 100_000

/** Every so many answers are compared with what was stored; looking into each would measure the generator. */
const CHECK_EVERY = 64

/** The service's page size for lists. */
const PAGE_ITEMS = 25

const plans = { getSecrets, listPages, putNew, putVersions, readBack }

/**
 * Each plan answers `next(client)`, the bytes of that client's next request or undefined when it is through, and
 * `accept(client, answer)`, which throws when a good status came with wrong content.
 */
export function makePlan({ kind, ...rest }, clients) {
  const make = plans[kind]
  if (make === undefined) throw new Error(`there is no plan named ${kind}`)
  return make(rest, clients)
}

/** Reads secrets of a series at random, evenly. The bare server answers one body to all, so there nothing is checked. */
function getSecrets({ host, headers, query, series, count, isChecked }, clients) {
  const random = sequenceOfNumbers(count)
  const prepared = Array.from({ length: Math.min(count, MAX_PREPARED) }, (_, index) => {
    const name = secretName(series, count <= MAX_PREPARED ? index : random() % count)
    return { name, request: requestBytes({ method: 'GET', path: `/secrets/${name}${query}`, host, headers }) }
  })
  const current = new Array(clients)
  return {
    next: (client) => {
      const chosen = prepared[random() % prepared.length]
      current[client] = chosen.name
      return chosen.request
    },
    accept: isChecked ? containing((client) => `"${secretValue(current[client])}"`) : () => {},
  }
}

/** Walks the list page by page along its next links, from the start again after `maxPages` or at the end. */
function listPages({ host, headers, query, maxPages }, clients) {
  const first = `/secrets${query}&maxresults=${PAGE_ITEMS}`
  const path = new Array(clients).fill(first)
  const pages = new Array(clients).fill(0)
  return {
    next: (client) => requestBytes({ method: 'GET', path: path[client], host, headers }),
    accept: (client, answer) => {
      const next = /"nextLink": ?"([^"]+)"/.exec(bodyOf(answer))?.[1]
      pages[client] = next === undefined || pages[client] + 1 === maxPages ? 0 : pages[client] + 1
      path[client] = pages[client] === 0 ? first : next.slice(next.indexOf('/', 'https://'.length))
    },
  }
}

/** Creates secrets that did not exist, at most `count`; `series` must be new in each load. */
function putNew({ host, headers, query, series, count = Number.POSITIVE_INFINITY }, clients) {
  let made = 0
  const current = new Array(clients)
  return {
    next: (client) => {
      if (made === count) return undefined
      const name = secretName(series, made)
      made += 1
      current[client] = secretValue(name)
      return putRequest({ host, headers, query, name, value: current[client] })
    },
    accept: containing((client) => `"${current[client]}"`),
    /** The numbers given out; all of them were acknowledged if no answer was refused. */
    summary: () => ({ made }),
  }
}

/** Adds versions to secrets of a series that exist. Clients write to names of their own, as deployments do. */
function putVersions({ host, headers, query, series, count, firstSequence }, clients) {
  const perClient = Math.floor(count / clients)
  if (perClient < 1) throw new Error('fewer names than clients')
  const rounds = new Array(clients).fill(0)
  const current = new Array(clients)
  const newest = {}
  return {
    next: (client) => {
      const number = client + clients * (rounds[client] % perClient)
      const sequence = firstSequence + Math.floor(rounds[client] / perClient)
      rounds[client] += 1
      const name = secretName(series, number)
      current[client] = { number, sequence, value: secretValue(name, sequence) }
      return putRequest({ host, headers, query, name, value: current[client].value })
    },
    accept: (client, answer) => {
      const { number, sequence, value } = current[client]
      newest[number] = sequence
      if (!bodyOf(answer).includes(`"${value}"`)) throw new Error('a PUT answered another value than it was sent')
    },
    /** The newest acknowledged sequence of each number. */
    summary: () => ({ newest }),
  }
}

/** Reads each of these once and compares every value: `[number, sequence]` pairs of a series. */
function readBack({ host, headers, query, series, expected }, clients) {
  let position = 0
  const current = new Array(clients)
  return {
    next: (client) => {
      if (position === expected.length) return undefined
      const [number, sequence] = expected[position]
      position += 1
      const name = secretName(series, number)
      current[client] = secretValue(name, sequence)
      return requestBytes({ method: 'GET', path: `/secrets/${name}${query}`, host, headers })
    },
    accept: (client, answer) => {
      if (!bodyOf(answer).includes(`"${current[client]}"`)) throw new Error('a value that was stored reads otherwise')
    },
  }
}

function putRequest({ host, headers, query, name, value }) {
  return requestBytes({
    method: 'PUT',
    path: `/secrets/${name}${query}`,
    host,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ value }),
  })
}

function containing(expectedText) {
  let answers = 0
  return (client, answer) => {
    answers += 1
    if (answers % CHECK_EVERY !== 1) return
    if (!bodyOf(answer).includes(expectedText(client))) throw new Error('a good answer has not the expected content')
  }
}

/** xorshift32: the same even sequence in every run, so two runs read the same secrets in the same order. */
function sequenceOfNumbers(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
}
