// Finds a Node that Keyhaven supports: the one running this file where it is new enough, else the pinned one that
// `npm ci` brought along. Plain JavaScript without newer syntax, because an old Node has to be able to read it.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export const OLDEST_SUPPORTED_MAJOR = 24

export function findNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= OLDEST_SUPPORTED_MAJOR) return { path: process.execPath, origin: 'system' }
  const packageName = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  try {
    const require = createRequire(new URL('../tools/runtime/package.json', import.meta.url))
    const folder = dirname(require.resolve(`${packageName}/package.json`))
    const path = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    if (existsSync(path)) return { path, origin: 'bundled' }
  } catch {
    // Falls through to the sentence below: the package is simply not installed for this platform.
  }
  process.stderr.write(
    `Keyhaven needs Node ${OLDEST_SUPPORTED_MAJOR} or newer; this is ${process.version} and no bundled one was found for ${process.platform}-${process.arch}.\n` +
      `Install Node ${OLDEST_SUPPORTED_MAJOR} LTS, or run "npm ci" in the project's folder where a bundled runtime exists for your platform.\n`,
  )
  process.exit(1)
}
