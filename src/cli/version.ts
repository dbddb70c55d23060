import { readFileSync } from 'node:fs'

/** The version of the package this program came in. */
export function readVersion(): string {
  const text = readFileSync(
    new URL('../package.json', import.meta.url).href.includes('/dist/')
      ? new URL('../package.json', import.meta.url)
      : new URL('../../package.json', import.meta.url),
    'utf8',
  )
  return (JSON.parse(text) as { version: string }).version
}
