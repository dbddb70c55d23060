/** The source as text: which files there are, what they import, and which of them a running server loads. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  /** From the root of the project, with forward slashes: `src/app.ts`. */
  readonly path: string
  readonly text: string
}

/** Programs and threads that are started by file; everything a server loads is reached from them. */
const ENTRY_FILES = ['src/main.ts', 'src/cli/worker.ts', 'src/adapters/storage/sqlite/writer-thread.ts']

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.work'])

/** Every file below the folders whose name ends so, in the order of their paths. */
export function filesBelow(folders: readonly string[], endings: readonly string[] = ['.ts']): readonly SourceFile[] {
  return folders
    .flatMap((folder) => pathsBelow(folder))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

function pathsBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : pathsBelow(path)
    return [path]
  })
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"\n]+)['"]/g

/** What a file imports, statically, for its types or on demand: packages as written, files as paths from the root. */
export function importsOf({ path, text }: SourceFile): readonly string[] {
  return [...text.matchAll(IMPORT)].flatMap(([, specifier]) => {
    if (specifier === undefined) return []
    if (!specifier.startsWith('.')) return [specifier]
    return [
      normalize(join(dirname(path), specifier))
        .split(sep)
        .join('/'),
    ]
  })
}

export const sourceFiles = filesBelow(['src'])

/** The files a running server or command loads; tests and what only they use are not among them. */
export const productFiles: readonly SourceFile[] = reachableFrom(ENTRY_FILES)

function reachableFrom(entries: readonly string[]): readonly SourceFile[] {
  const byPath = new Map(sourceFiles.map((file) => [file.path, file]))
  const reached = new Set<SourceFile>()
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = byPath.get(path)
    if (file === undefined || reached.has(file)) continue
    reached.add(file)
    waiting.push(...importsOf(file))
  }
  return sourceFiles.filter((file) => reached.has(file))
}

/** `src/http/steps/throttle.ts` is of `http`; a file directly in src is a part of its own, `app.ts`. */
export function partOf(path: string): string {
  return path.split('/')[1] ?? ''
}

/** `GetDeletedSecrets` -> `get-deleted-secrets` */
export function kebabOf(id: string): string {
  return id.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}
