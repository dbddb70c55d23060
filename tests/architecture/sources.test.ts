/** What no file may be called, hold or grow to. Exemption lists only ever get shorter. */
import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { filesBelow, productFiles } from './source-tree.ts'

const MAX_LINES = 500
const JUNK_DRAWERS = new Set([
  'utils',
  'util',
  'utilities',
  'helpers',
  'helper',
  'common',
  'misc',
  'shared',
  'lib',
  'stuff',
])

/** Files whose names somebody else decided. */
const NAMED_BY_OTHERS = new Set(['Dockerfile'])

/**
 * Where secret bytes come out of their class: sealing, private keys given to the crypto library, answers, backups. A file
 * added here is a place more to look at when a value was seen where it should not be.
 */
const REVEALING = [
  'src/app.ts',
  'src/cli/audit-command.ts',
  'src/cli/workers.ts',
  'src/flows/development-start.ts',
  'src/flows/identity-directory.ts',
  'src/flows/local-certificates.ts',
  'src/flows/token-refresh.ts',
  'src/flows/token-signing-keys.ts',
  'src/http/tls-material.ts',
  'src/operations/secrets/backup-secret.ts',
  'src/operations/secrets/secret-shapes.ts',
  'src/sealing/sealed-records.ts',
]

/** Ends of processes and sockets are waited for in real time; everything else asks the clock. */
const WAITING = ['src/cli/server-process.ts', 'src/http/listener.ts', 'src/ports/clock.ts']

const everywhere = filesBelow(['src', 'tests', 'tools', 'conformance', 'bench'], ['.ts', '.mjs'])
/** This file names what it forbids. */
const scanned = everywhere.filter(({ path }) => !path.startsWith('tests/architecture/'))
const ours = everywhere.filter(({ path }) => /^(src|tests|tools)\//.test(path))

const pathsWith = (files: readonly { path: string; text: string }[], pattern: RegExp) =>
  files.filter(({ text }) => pattern.test(text)).map(({ path }) => path)

test('no file or folder is a junk drawer', () => {
  const found = everywhere.filter(({ path }) =>
    path.split('/').some((part) => JUNK_DRAWERS.has(part.replace(/(\.test)?\.(ts|mjs)$/, '').toLowerCase())),
  )
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

test('files are named in kebab case', () => {
  const KEBAB = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*|\d{4}-\d{2}-\d{2}|\d\.\d)(?:\.test)?\.(?:ts|mjs)$/
  const found = ours
    .map(({ path }) => path)
    .filter((path) => !KEBAB.test(basename(path)) && !NAMED_BY_OTHERS.has(basename(path)))
  assert.deepEqual(found, [])
})

test(`no file has more than ${MAX_LINES} lines`, () => {
  const found = ours.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES)
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

test('no randomness but the system generator, through its port', () => {
  assert.deepEqual(pathsWith(scanned, /\bMath\.random\b/), [])
  const generators = /\b(?:randomUUID|randomFillSync|randomFill|randomInt|getRandomValues)\(|[^.\w]randomBytes\(\d/
  assert.deepEqual(pathsWith(productFiles, generators), ['src/ports/random.ts'])
})

test('no time but the clock, through its port', () => {
  assert.deepEqual(pathsWith(productFiles, /\bDate\.now\(|\bnew Date\(\)/), ['src/ports/clock.ts'])
  const waiting = pathsWith(productFiles, /(?<![.\w])(?:setTimeout|setInterval)\(/)
  assert.deepEqual(waiting, WAITING)
})

test('secret bytes come out of their class in the listed files only', () => {
  const outside = productFiles.filter(({ path }) => path !== 'src/sealing/secret-bytes.ts')
  assert.deepEqual(pathsWith(outside, /\.reveal(?:Text)?\(\)/), REVEALING)
})

test('nothing is left for later or switched off without saying so', () => {
  assert.deepEqual(pathsWith(scanned, /\b(?:TODO|FIXME|XXX|HACK)\b/), [])
  assert.deepEqual(pathsWith(scanned, /@ts-(?:ignore|nocheck|expect-error)/), [])
  assert.deepEqual(pathsWith(scanned, /\b(?:test|it|describe)\.(?:only|skip|todo)\(/), [])
})

test('tests do not sleep', () => {
  // These start processes of their own, whose time is the real one.
  const OF_PROCESSES = ['tests/cli/', 'tests/durability/', 'tests/support/real-server.ts']
  const tests = scanned.filter(({ path }) => path.startsWith('tests/') || path.endsWith('.test.ts'))
  const inProcess = tests.filter(({ path }) => !OF_PROCESSES.some((folder) => path.startsWith(folder)))
  assert.deepEqual(pathsWith(inProcess, /import \{[^}]*\bsetTimeout\b[^}]*\} from 'node:timers\/promises'/), [])
})
