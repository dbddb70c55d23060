import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import {
  DAY_MS,
  openInstallation,
  postToken,
  START_MS,
  secretForm,
} from '../../tests/wire/identity/identity-fixture.ts'
import { writeKeyCertificate } from '../formats/x509-certificate.ts'
import { identityCommands, identityNouns, runIdentityCommand } from './identity.ts'

async function openCli(files: Record<string, string | Uint8Array> = {}) {
  const installation = await openInstallation()
  const run = async (...args: string[]) => {
    const printed = { out: '', err: '' }
    const code = await runIdentityCommand(args, {
      ...installation.parts,
      dataOptions: { data: { type: 'string' } },
      dataHelp: '  --data FOLDER\n',
      withRecords: (_values, use) => use(installation.records),
      readFile: async (path) => {
        const content = files[path]
        if (content === undefined) throw new Error(`no file ${path}`)
        return typeof content === 'string' ? Buffer.from(content) : content
      },
      stdout: { write: (text: string) => (printed.out += text) },
      stderr: { write: (text: string) => (printed.err += text) },
    })
    return { code, ...printed }
  }
  const json = async (...args: string[]) => {
    const { code, out, err } = await run(...args, '--json')
    assert.equal(code, 0, err)
    assert.equal(out.indexOf('\n'), out.length - 1, 'one line')
    return JSON.parse(out) as Record<string, string> & readonly Record<string, string>[]
  }
  return { installation, run, json }
}

test('an application is created with a secret that works and is shown only once', async () => {
  const { installation, run, json } = await openCli()
  const created = await json('app', 'create', '--name', 'shop')
  const { clientId = '', clientSecret = '' } = created
  const form = { ...secretForm({ clientId, clientSecret } as never) }
  assert.equal((await postToken(installation.context(), 'adfs', form)).status, 200)
  for (const shown of [
    await run('app', 'show', clientId),
    await run('app', 'show', clientId, '--json'),
    await run('app', 'list'),
  ]) {
    assert.equal(shown.code, 0)
    assert.ok(shown.out.includes(clientId))
    assert.ok(!shown.out.includes(clientSecret))
    assert.ok(!shown.out.includes('digest'))
  }
})

test('text output tells what to do with each id', async () => {
  const { run } = await openCli()
  const { out } = await run('app', 'create', '--name', 'shop', '--data', 'somewhere')
  assert.match(
    out,
    /^client id +[0-9a-f-]{36}\nobject id +[0-9a-f-]{36} {2}\(assign roles to this one\)\ntenant id +[0-9a-f-]{36}\nclient secret +\S{40} {2}\(shown only now\)\n$/,
  )
})

test('secrets are added, from a file too, and removed by their id', async () => {
  const { installation, json, run } = await openCli({ 'secret.txt': 'a secret of my own\n' })
  const { clientId = '' } = await json('app', 'create', '--name', 'shop', '--no-secret')
  const generated = await json('app', 'secret', 'add', clientId, '--days', '10')
  const chosen = await json('app', 'secret', 'add', clientId, '--secret-file', 'secret.txt')
  assert.equal(chosen.clientSecret, undefined)
  const statusOf = async (clientSecret: string) =>
    (await postToken(installation.context(), 'adfs', secretForm({ clientId, clientSecret } as never))).status
  assert.equal(await statusOf(generated.clientSecret ?? ''), 200)
  assert.equal(await statusOf('a secret of my own'), 200)
  assert.equal((await run('app', 'secret', 'remove', clientId, generated.keyId ?? '')).code, 0)
  assert.equal(await statusOf(generated.clientSecret ?? ''), 401)
  assert.equal((await run('app', 'secret', 'remove', clientId, generated.keyId ?? '')).code, 1)
})

test('a certificate is added in PEM and in DER form, and only once', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const write = (key: typeof privateKey, notAfterMs: number) =>
    writeKeyCertificate({
      serial: Buffer.from('01', 'hex'),
      commonName: 'c',
      privateKey: key,
      notBeforeMs: START_MS - 2 * DAY_MS,
      notAfterMs,
    })
  const pem = write(privateKey, START_MS + DAY_MS)
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const { json, run } = await openCli({
    'c.pem': pem,
    'c.der': der,
    'old.pem': write(privateKey, START_MS - DAY_MS),
    'weak.pem': write(weak.privateKey, START_MS + DAY_MS),
    'text.pem': 'hello',
  })
  const { clientId = '' } = await json('app', 'create', '--name', 'shop')
  const added = await json('app', 'credential', 'add', clientId, '--certificate', 'c.der')
  assert.match(added.thumbprintSha1 ?? '', /^[0-9a-f]{40}$/)
  for (const [file, why] of [
    ['c.pem', /already/],
    ['old.pem', /expired/],
    ['weak.pem', /2048/],
    ['text.pem', /not a certificate/],
  ] as const) {
    const refused = await run('app', 'credential', 'add', clientId, '--certificate', file)
    assert.equal(refused.code, 1)
    assert.match(refused.err, why)
  }
  assert.match((await run('app', 'show', clientId)).out, /certificate {2}/)
  assert.equal((await run('app', 'credential', 'remove', clientId, added.keyId ?? '')).code, 0)
  assert.equal((await run('app', 'credential', 'add', clientId, '--certificate', 'c.pem')).code, 0)
})

test('a federated credential gets the usual audience where none is named', async () => {
  const { json, run } = await openCli()
  const { clientId = '' } = await json('app', 'create', '--name', 'shop')
  const words = ['app', 'credential', 'add', clientId, '--issuer', 'https://a.test', '--subject', 's']
  assert.deepEqual((await json(...words)).audiences, ['api://AzureADTokenExchange'])
  assert.deepEqual((await json(...words, '--audience', 'x', '--audience', 'y')).audiences, ['x', 'y'])
  assert.equal((await run('app', 'credential', 'add', clientId)).code, 1)
  assert.equal((await run('app', 'credential', 'add', clientId, '--issuer', 'a.test', '--subject', 's')).code, 1)
})

test('users, groups, managed identities, tenants and subscriptions are made and listed', async () => {
  const { json, run } = await openCli({ '-': 'a password\n' })
  const generated = await json('user', 'create', '--upn', 'ada@example.org')
  assert.match(generated.password ?? '', /^\S{40}$/)
  const user = await json('user', 'create', '--upn', 'bob@example.org', '--password-file', '-')
  assert.equal(user.password, undefined)
  assert.equal((await run('user', 'create', '--upn', 'Bob@Example.org')).code, 1)
  assert.equal((await json('user', 'list')).length, 2)
  assert.equal((await run('user', 'delete', 'BOB@example.org')).code, 0)
  assert.equal((await json('user', 'list')).length, 1)
  assert.equal((await run('user', 'create', '--upn', 'bob@example.org')).code, 0)

  const group = await json('group', 'create', '--name', 'operators')
  await json('group', 'add-member', group.objectId ?? '', generated.objectId ?? '')
  await json('group', 'add-member', group.objectId ?? '', generated.objectId ?? '')
  assert.deepEqual((await json('group', 'list'))[0]?.members, [generated.objectId])
  await json('group', 'remove-member', group.objectId ?? '', generated.objectId ?? '')
  assert.deepEqual((await json('group', 'list'))[0]?.members, [])

  const identity = await json('managed-identity', 'create', '--name', 'worker', '--imds')
  assert.match(identity.identityHeader ?? '', /^[\w-]{43}$/)
  const listed = (await run('managed-identity', 'list', '--json')).out
  assert.ok(listed.includes(identity.clientId ?? '?') && !/[hH]eader/.test(listed))

  const tenantId = '99999999-9999-4999-8999-999999999999'
  assert.equal((await json('tenant', 'create', '--name', 'Other', '--id', tenantId)).tenantId, tenantId)
  assert.equal((await run('tenant', 'create', '--name', 'Again', '--id', tenantId)).code, 1)
  assert.equal((await json('subscription', 'create', '--name', 'Prod', '--tenant', tenantId)).tenantId, tenantId)
  assert.equal((await json('subscription', 'list')).length, 1)
})

test('a refusal is one sentence on standard error and exit code 1', async () => {
  const { run } = await openCli()
  for (const words of [
    ['app', 'create'],
    ['app', 'create', '--name', ' '],
    ['app', 'create', '--name', 'x', '--days', 'many'],
    ['app', 'create', '--name', 'x', '--days', '9999'],
    ['app', 'create', '--name', 'x', '--client-id', 'x'],
    ['app', 'create', '--name', 'x', '--tenant', '00000000-0000-4000-8000-000000000001'],
    ['app', 'delete', '00000000-0000-4000-8000-000000000001'],
    ['user', 'create', '--upn', 'nobody'],
    ['user', 'delete', 'nobody@example.org'],
    ['group', 'add-member', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001'],
    ['managed-identity', 'create', '--name', 'x', '--share-header-with', 'y'],
  ]) {
    const { code, out, err } = await run(...words)
    assert.equal(code, 1, words.join(' '))
    assert.equal(out, '')
    assert.match(err, /^keyhaven [a-z -]+: .+\n$/)
  }
})

test('wrong usage shows the help of the command, or of the noun', async () => {
  const { run } = await openCli()
  const flag = await run('app', 'list', '--nonsense')
  assert.deepEqual([flag.code, flag.out], [2, ''])
  assert.match(flag.err, /Usage: keyhaven app list/)
  assert.equal((await run('app', 'show')).code, 2)
  const noun = await run('app', 'nonsense')
  assert.equal(noun.code, 2)
  assert.match(noun.err, /keyhaven app secret add/)
})

test('every command has a help with an example that starts with its own words', async () => {
  const { run } = await openCli()
  assert.deepEqual(identityNouns, ['app', 'user', 'group', 'managed-identity', 'tenant', 'subscription'])
  for (const { words, example } of identityCommands) {
    const { code, out } = await run(...words.split(' '), '--help')
    assert.equal(code, 0)
    assert.ok(out.includes(example) && out.includes('--data FOLDER'), words)
    assert.ok(example.startsWith(`keyhaven ${words}`), words)
  }
})
