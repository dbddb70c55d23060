// Bundles the server into dist/: one file per entry, dependencies inside, so that starting reads few files.
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(`${root}dist`, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  // Processes and threads are started by file; their files have to lie where their starters are.
  entryPoints: {
    main: 'src/main.ts',
    'chunks/worker': 'src/cli/worker.ts',
    'chunks/writer-thread': 'src/adapters/storage/sqlite/writer-thread.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // CommonJS dependencies inside an ES module need a require of their own.
  banner: {
    js: "import { createRequire as keyhavenRequire } from 'node:module'; const require = keyhavenRequire(import.meta.url);",
  },
  // Loads worker files by path; stays a package.
  external: ['pino'],
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: 'linked',
  logLevel: 'warning',
})
process.stdout.write('built dist/main.js\n')
