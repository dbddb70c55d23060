/** Reads small JSON documents from issuers we were told to trust: over TLS, bounded in size and time, no redirects. */
import { readFile, stat } from 'node:fs/promises'
import type { Clock } from '../../../ports/clock.ts'
import { KEY_DOCUMENT_TIMEOUT_MS, MAX_KEY_DOCUMENT_BYTES } from './settings.ts'

export type ReadDocument = (address: string) => Promise<unknown>

/** Plain http is for the machine itself only: on any other way, keys could be exchanged on the way. */
export function requireSafeAddress(address: string): URL {
  if (!URL.canParse(address)) throw new Error(`${address} is not an absolute address`)
  const url = new URL(address)
  const isLoopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw new Error(`${address} has to start with https://`)
  }
  return url
}

export function documentReader(clock: Clock): ReadDocument {
  return async (address) => {
    const url = requireSafeAddress(address)
    const abort = new AbortController()
    const callOff = clock.after(KEY_DOCUMENT_TIMEOUT_MS, () => {
      abort.abort(new Error(`no answer within ${KEY_DOCUMENT_TIMEOUT_MS} ms`))
    })
    try {
      const response = await fetch(url, {
        redirect: 'error',
        signal: abort.signal,
        headers: { accept: 'application/json' },
      })
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      return parsed(await readBounded(response, abort))
    } catch (cause) {
      throw new Error(`reading ${url.origin}${url.pathname}`, { cause })
    } finally {
      callOff()
    }
  }
}

export async function readDocumentFile(path: string): Promise<unknown> {
  const { size } = await stat(path)
  if (size > MAX_KEY_DOCUMENT_BYTES) throw new Error(`${path} is larger than ${MAX_KEY_DOCUMENT_BYTES} bytes`)
  return parsed(await readFile(path))
}

async function readBounded(response: Response, abort: AbortController): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_KEY_DOCUMENT_BYTES) {
      abort.abort()
      throw new Error(`the answer is larger than ${MAX_KEY_DOCUMENT_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parsed(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  return value
}
