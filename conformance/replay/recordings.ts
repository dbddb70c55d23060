/**
 * Recorded exchanges with the real service: finding them, reading them, and telling which of them are about secrets.
 *
 * A recording is one JSON file: an array of exchanges in the order they were made. Its name starts with the client that
 * made it (azure-cli, sdk-go, …), which matters because some recorders dropped headers or request bodies.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

export interface Exchange {
  readonly n: number
  readonly method: string
  readonly url: string
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly requestBody: Json
  readonly status: number
  readonly responseHeaders: Readonly<Record<string, string>>
  readonly responseBody: Json
  /** So many identical exchanges followed each other; kept once. */
  readonly repeat: number
}

export interface Recording {
  readonly folder: string
  /** The file's name without `.json`. */
  readonly name: string
  /** azure-cli, azure-cli-other, keyvault-java, sdk-cpp, sdk-go or sdk-python. */
  readonly source: string
  readonly exchanges: readonly Exchange[]
}

/** Where a secret request goes, read off its address. */
export interface SecretTarget {
  readonly area: 'secrets' | 'deletedsecrets'
  readonly name?: string
  readonly version?: string
  readonly action?: 'backup' | 'restore' | 'versions' | 'recover'
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** The member of an object, or undefined where there is no object or no such member. */
export function member(value: Json | undefined, ...names: readonly string[]): Json | undefined {
  let at = value
  for (const name of names) {
    if (!isObject(at)) return undefined
    at = at[name]
  }
  return at
}

export function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Undefined for everything that is not the secrets part of a vault's data plane. */
export function secretTarget(exchange: Exchange): SecretTarget | undefined {
  const url = new URL(exchange.url)
  if (!url.hostname.endsWith('.vault.azure.net')) return undefined
  const [area, first, second] = url.pathname.split('/').slice(1)
  if (area === 'secrets') {
    if (!first) return { area }
    if (first === 'restore' && exchange.method === 'POST') return { area, action: 'restore' }
    if (!second) return { area, name: first }
    if (second === 'backup' || second === 'versions') return { area, name: first, action: second }
    return { area, name: first, version: second }
  }
  if (area === 'deletedsecrets') {
    if (!first) return { area }
    return second === 'recover' ? { area, name: first, action: 'recover' } : { area, name: first }
  }
  return undefined
}

/** When the service answered, as its `date` header says. */
export function recordedAt(exchange: Exchange): Date {
  return new Date(exchange.responseHeaders.date ?? Number.NaN)
}

function stringRecord(value: Json | undefined): Record<string, string> {
  const record: Record<string, string> = {}
  if (isObject(value)) for (const [name, content] of Object.entries(value)) record[name] = String(content)
  return record
}

function toExchange(value: Json, file: string): Exchange {
  const n = member(value, 'n')
  const status = member(value, 'status')
  const repeat = member(value, 'repeat')
  const method = text(member(value, 'method'))
  const url = text(member(value, 'url'))
  if (typeof n !== 'number' || typeof status !== 'number' || method === undefined || url === undefined) {
    throw new Error(`${file} holds something that is not an exchange`)
  }
  return {
    n,
    method,
    url,
    requestHeaders: stringRecord(member(value, 'requestHeaders')),
    requestBody: member(value, 'requestBody') ?? null,
    status,
    responseHeaders: stringRecord(member(value, 'responseHeaders')),
    responseBody: member(value, 'responseBody') ?? null,
    repeat: typeof repeat === 'number' ? repeat : 1,
  }
}

export function parseRecording(folder: string, fileName: string, content: string): Recording {
  const parsed: Json = JSON.parse(content)
  if (!isArray(parsed)) throw new Error(`${fileName} is not an array of exchanges`)
  return {
    folder,
    name: fileName.replace(/\.json$/, ''),
    source: fileName.split('.')[0] ?? '',
    exchanges: parsed.map((exchange) => toExchange(exchange, fileName)),
  }
}

/**
 * Every recording of these folders, by name. Undefined when there is no such folder at all, which is normal outside the
 * project's own machines: the recordings are not part of the repository.
 */
export function loadRecordings(root: string, folders: readonly string[]): readonly Recording[] | undefined {
  const present = folders.filter((folder) => existsSync(path.join(root, folder)))
  if (present.length === 0) return undefined
  return present.flatMap((folder) =>
    readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => parseRecording(folder, name, readFileSync(path.join(root, folder, name), 'utf8'))),
  )
}
