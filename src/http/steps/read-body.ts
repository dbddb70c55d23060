import type { IncomingMessage } from 'node:http'
import { MAX_BODY_BYTES } from '../../domain/limits/limits.ts'
import { refuse } from '../../errors/refusal.ts'
import type { Operation } from '../../operations/operation.ts'

/** Reads and parses the body as the operation declares it; undefined for operations without one. */
export async function readBody(request: IncomingMessage, operation: Operation): Promise<unknown> {
  if (operation.body === undefined || operation.bodyFormat === 'none') return undefined
  const maxBytes = operation.maxBodyBytes ?? MAX_BODY_BYTES
  const contentType = request.headers['content-type']
  if (operation.bodyFormat === 'form') {
    if (!isType(contentType, 'application/x-www-form-urlencoded')) throw refuse('UnsupportedMediaType')
    const fields = new URLSearchParams((await readBytes(request, maxBytes)).toString('utf8'))
    // The first of repeated fields counts; a null prototype, because the names are a stranger's.
    const form: Record<string, string> = Object.create(null)
    for (const [name, value] of fields) form[name] ??= value
    return form
  }
  if (contentType !== undefined && !isType(contentType, 'application/json')) throw refuse('UnsupportedMediaType')
  const bytes = await readBytes(request, maxBytes)
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown
  } catch (cause) {
    // The parser's own message quotes the text, which may be a secret: the cause is not kept.
    throw refuse('BodyNotJson', undefined, new Error(`${bytes.byteLength} bytes, ${(cause as Error).name}`))
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function isType(contentType: string | undefined, wanted: string): boolean {
  return contentType !== undefined && contentType.split(';')[0]?.trim().toLowerCase() === wanted
}

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) throw refuse('BodyTooLarge', { maxBytes })
  return new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.byteLength
      if (length <= maxBytes) {
        chunks.push(chunk)
        return
      }
      request.removeAllListeners('data')
      request.resume()
      reject(refuse('BodyTooLarge', { maxBytes }))
    })
    request.on('end', () => {
      const [first] = chunks
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length))
    })
    request.on('error', (cause) => {
      reject(refuse('BodyTooSlow', undefined, cause))
    })
    request.on('close', () => {
      if (request.readableEnded) return
      // A promise settles once: after a whole body this changes nothing.
      reject(refuse('BodyTooSlow'))
    })
  })
}
