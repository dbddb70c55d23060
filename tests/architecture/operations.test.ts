/** The table, the files it is made of, their tests and the catalogue agree. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { catalogue } from '../../src/errors/catalogue.ts'
import { operations } from '../../src/operations/index.ts'
import { filesBelow, kebabOf, productFiles, ROOT, type SourceFile } from './source-tree.ts'

/** Secrets in the published API description, data plane 2026-04-01. */
const PUBLISHED_SECRET_OPERATIONS = [
  'BackupSecret POST /secrets/{}/backup',
  'DeleteSecret DELETE /secrets/{}',
  'GetDeletedSecret GET /deletedsecrets/{}',
  'GetDeletedSecrets GET /deletedsecrets',
  'GetSecret GET /secrets/{}/{}',
  'GetSecretVersions GET /secrets/{}/versions',
  'GetSecrets GET /secrets',
  'PurgeDeletedSecret DELETE /deletedsecrets/{}',
  'RecoverDeletedSecret POST /deletedsecrets/{}/recover',
  'RestoreSecret POST /secrets/restore',
  'SetSecret PUT /secrets/{}',
  'UpdateSecret PATCH /secrets/{}/{}',
]

/** Everything that asks for no token. A line added here is a decision about security. */
const ANONYMOUS = [
  'GetHealthStatus',
  'GetInstanceDiscovery',
  'GetOpenIdConfiguration',
  'GetOpenIdConfigurationV2',
  'GetSigningKeys',
  'GetSigningKeysV2',
  'GetUserRealm',
  'GetAppServiceToken',
  'GetImdsToken',
  'RequestToken',
  'RequestTokenV2',
  'GetCloudMetadata',
]

/** Nouns whose wire tests are arranged in another way than a file per operation. The list only ever gets shorter. */
const NOUNS_TESTED_OTHERWISE = ['identity', 'resource-manager', 'service']

/** Wire tests of secrets that are about more than one operation. */
const SECRET_TESTS_OF_SEVERAL = ['scheduled-purge', 'soft-delete-latency']

interface OperationFile extends SourceFile {
  readonly noun: string
  readonly id: string
}

const operationFiles: readonly OperationFile[] = productFiles.flatMap((file) => {
  const [, part, noun = ''] = file.path.split('/')
  if (part !== 'operations' || !/= defineOperation\(/.test(file.text)) return []
  const ids = [...file.text.matchAll(/^ {2}id: '(\w+)',$/gm)].map(([, id]) => id ?? '')
  assert.equal(ids.length, 1, `${file.path} declares ${ids.length} operations`)
  return [{ ...file, noun, id: ids[0] ?? '' }]
})

test('every operation file is named after its operation and in the table', () => {
  for (const { path, id } of operationFiles) assert.equal(basename(path), `${kebabOf(id)}.ts`, path)
  assert.deepEqual(operationFiles.map(({ id }) => id).sort(), operations.map(({ id }) => id).sort())
})

test('every operation is listed in the index of its own noun', () => {
  for (const { path, noun } of operationFiles) {
    const index = productFiles.find((file) => file.path === `src/operations/${noun}/index.ts`)
    assert.ok(index?.text.includes(`from './${basename(path)}'`), path)
  }
})

test('operation ids, audit names and routes are not used twice', () => {
  const isTwice = (text: string, index: number, all: readonly string[]) => all.indexOf(text) !== index
  assert.deepEqual(operations.map(({ id }) => id).filter(isTwice), [])
  const guarded = operations.filter(({ permission }) => permission.kind === 'vaultObject')
  assert.deepEqual(guarded.map(({ audit }) => audit.operationName).filter(isTwice), [])
  const routes = operations.flatMap(({ hosts, method, path }) =>
    hosts.map((host) => `${host} ${method} ${path.replaceAll(/\{[^}]+\}/g, '{}').toLowerCase()}`),
  )
  assert.deepEqual(routes.filter(isTwice), [])
})

test('every published operation on secrets is declared as it is published', () => {
  const ours = operations
    .filter(({ permission }) => permission.kind === 'vaultObject' && permission.category === 'secrets')
    .map(({ id, method, path }) => `${id} ${method} ${path.replaceAll(/\{[^}]+\}/g, '{}')}`)
  assert.deepEqual(ours.sort(), PUBLISHED_SECRET_OPERATIONS)
})

test('every operation has a wire test of its name', () => {
  const missing = operationFiles
    .filter(({ noun }) => !NOUNS_TESTED_OTHERWISE.includes(noun))
    .map(({ noun, path }) => `tests/wire/${noun}/${basename(path, '.ts')}.test.ts`)
    .filter((path) => !existsSync(join(ROOT, path)))
  assert.deepEqual(missing, [])
})

test('every noun that is tested otherwise still is', () => {
  const complete = NOUNS_TESTED_OTHERWISE.filter((noun) =>
    operationFiles
      .filter((file) => file.noun === noun)
      .every(({ path }) => existsSync(join(ROOT, `tests/wire/${noun}/${basename(path, '.ts')}.test.ts`))),
  )
  assert.deepEqual(complete, [], 'take them off the list')
})

test('every wire test of secrets is named after an operation', () => {
  const names = filesBelow(['tests/wire/secrets'], ['.test.ts']).map(({ path }) => basename(path, '.test.ts'))
  const known = new Set([...operationFiles.map(({ path }) => basename(path, '.ts')), ...SECRET_TESTS_OF_SEVERAL])
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  )
})

test('what asks for no token is exactly what is listed here, each with its reason', () => {
  const open = operations.filter(({ permission }) => permission.kind === 'anonymous')
  assert.deepEqual(open.map(({ id }) => id).sort(), [...ANONYMOUS].sort())
  for (const { id, permission } of open) {
    assert.ok(permission.kind === 'anonymous' && permission.reason.length > 10, id)
  }
})

test('every operation of a vault that is not open asks for a permission on objects of the vault', () => {
  const others = operations.filter(
    ({ hosts, permission }) => hosts.includes('vault') && !['anonymous', 'vaultObject'].includes(permission.kind),
  )
  assert.deepEqual(
    others.map(({ id }) => id),
    [],
  )
})

test('every refusal an operation declares is in the catalogue, and every one it gives is declared', () => {
  for (const { id, refusals } of operations) {
    for (const refusal of refusals) assert.ok(Object.hasOwn(catalogue, refusal), `${id}: ${refusal}`)
  }
  const undeclared = operationFiles.flatMap(({ id, text }) => {
    const declared: readonly string[] = operations.find((operation) => operation.id === id)?.refusals ?? []
    const given = [...text.matchAll(/\brefuse\('(\w+)'/g)].map(([, name]) => name ?? '')
    return given.filter((name) => !declared.includes(name)).map((name) => `${id}: ${name}`)
  })
  assert.deepEqual(undeclared, [])
})

test('every refusal of the catalogue is given somewhere', () => {
  const others = productFiles.filter(({ path }) => path !== 'src/errors/catalogue.ts')
  const unused = Object.keys(catalogue).filter((name) => !others.some(({ text }) => text.includes(`'${name}'`)))
  assert.deepEqual(unused, [])
})

test('every entry of the catalogue has a status of its class, a code and a sentence without a question', () => {
  for (const [name, { status, code, message }] of Object.entries(catalogue)) {
    assert.ok(status >= 400 && status <= 599, name)
    assert.match(code, /^[A-Z][A-Za-z ]+$/, name)
    if (typeof message === 'string') assert.ok(message.length > 10 && !message.includes('undefined'), name)
  }
})
