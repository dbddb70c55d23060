/** Imports point inwards. A row says what its part may know; everything it does not name it must not know. */
import assert from 'node:assert/strict'
import { builtinModules } from 'node:module'
import { test } from 'node:test'
import { filesBelow, importsOf, partOf, productFiles, sourceFiles } from './source-tree.ts'

const RULES = ['domain', 'formats', 'errors']
const STORED = ['sealing', 'ports', ...RULES]

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  formats: [],
  errors: [],
  config: [],
  'api-versions': [],
  domain: ['formats', 'errors'],
  ports: RULES,
  sealing: ['ports', ...RULES],
  flows: STORED,
  jobs: ['flows', ...STORED],
  operations: ['flows', ...STORED],
  http: ['operations', 'api-versions', ...STORED],
  adapters: ['ports', ...RULES],
  'data-folder.ts': ['adapters', 'config', ...STORED],
  'app.ts': ['adapters', 'config', 'data-folder.ts', 'http', 'jobs', 'operations', 'flows', ...STORED],
  cli: ['app.ts', 'adapters', 'config', 'data-folder.ts', 'http', 'jobs', 'operations', 'flows', ...STORED],
  'main.ts': ['cli'],
}

/** Imports against the rule, each with its reason. The list only ever gets shorter. */
const EXEMPT = [
  // A root key kept on this machine seals as everything else does; one implementation of that is enough.
  'src/adapters/root-keys/local-key.ts -> src/sealing/aead.ts',
  // Writes the CA certificate for clients; it belongs to neither the CLI nor the server alone.
  'src/app.ts -> src/cli/trust-files.ts',
]

const productImports = productFiles.flatMap((file) =>
  importsOf(file)
    .filter((target) => target.startsWith('src/'))
    .map((target) => ({ from: file.path, to: target, line: `${file.path} -> ${target}` })),
)

test('every part of the source has a row', () => {
  const parts = new Set(sourceFiles.map(({ path }) => partOf(path)))
  assert.deepEqual([...parts].sort(), Object.keys(MAY_IMPORT).sort())
})

test('imports between parts point inwards', () => {
  const outwards = productImports.filter(({ from, to, line }) => {
    const [part, target] = [partOf(from), partOf(to)]
    return part !== target && !MAY_IMPORT[part]?.includes(target) && !EXEMPT.includes(line)
  })
  assert.deepEqual(
    outwards.map(({ line }) => line),
    [],
  )
})

test('every exemption is still needed', () => {
  const lines = productImports.map(({ line }) => line)
  assert.deepEqual(
    EXEMPT.filter((line) => !lines.includes(line)),
    [],
  )
})

test('only the composition root, the data folder and the command line pick adapters', () => {
  const pickers = productImports.filter(({ to }) => partOf(to) === 'adapters').map(({ from }) => partOf(from))
  assert.deepEqual([...new Set(pickers)].sort(), ['adapters', 'app.ts', 'cli', 'data-folder.ts'])
})

test('no adapter knows an adapter of another kind, nor another one of its own kind', () => {
  const crossings = productImports.filter(({ from, to }) => {
    const [, part, kind, implementation = ''] = from.split('/')
    const [, otherPart, otherKind, other = ''] = to.split('/')
    if (part !== 'adapters' || otherPart !== 'adapters') return false
    if (kind !== otherKind) return true
    // A file directly in the folder of a kind is what the kind shares, and its index knows them all.
    return implementation !== other && !other.endsWith('.ts') && implementation !== 'index.ts'
  })
  assert.deepEqual(
    crossings.map(({ line }) => line),
    [],
  )
})

test('product code imports no test and no fixture', () => {
  const found = productImports.filter(({ to }) => /\.test\.ts$|-fixture\.ts$|^tests\//.test(to))
  assert.deepEqual(
    found.map(({ line }) => line),
    [],
  )
})

test('rules have no input or output of their own', () => {
  // Both compute and do nothing else.
  const ALLOWED = new Set(['node:crypto', 'jose'])
  const found = productFiles
    .filter(({ path }) => ['domain', 'errors'].includes(partOf(path)))
    .flatMap((file) => importsOf(file).map((target) => ({ path: file.path, target })))
    .filter(({ target }) => !target.startsWith('src/') && !ALLOWED.has(target))
  assert.deepEqual(found, [])
})

test('only http and adapters speak to the network', () => {
  const NETWORK = ['node:http', 'node:https', 'node:http2', 'node:tls', 'node:net', 'node:dgram', 'node:dns']
  /** Reading an address as text is no network. */
  const READING = "import { isIP } from 'node:net'"
  const found = productFiles
    // app.ts holds the servers that http/listener.ts makes.
    .filter(({ path }) => !['http', 'adapters', 'cli', 'app.ts'].includes(partOf(path)))
    .map((file) => ({ ...file, text: file.text.replace(READING, '') }))
    .filter((file) => importsOf(file).some((target) => NETWORK.includes(target)))
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

test('built-in modules are imported by their node: names', () => {
  const files = filesBelow(['src', 'tests', 'tools', 'conformance', 'bench'], ['.ts', '.mjs'])
  const found = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => !target.startsWith('node:') && builtinModules.includes(target))
      .map((target) => `${file.path} -> ${target}`),
  )
  assert.deepEqual(found, [])
})

test('the conformance package knows the server as a black box', () => {
  const found = filesBelow(['conformance'], ['.ts', '.mjs']).filter((file) =>
    importsOf(file).some((target) => target.startsWith('src/')),
  )
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})
