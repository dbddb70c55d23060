import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type CommandOutput, runInProcess } from '../support/run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'keyhaven-cli-vault-'))
const data = join(root, 'data')
const OBJECT_ID = '5f3bd0a5-9a1e-4b0e-9d43-6c3b1a2f0001'
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const run = (...args: readonly string[]) => runInProcess(...args, '--data', data)

function jsonOf({ code, stdout, stderr }: CommandOutput) {
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  assert.match(stdout, /^[{[].*\n$/)
  assert.equal(stdout.split('\n').length, 2, 'one line of JSON')
  return JSON.parse(stdout)
}

function assertRefused({ code, stdout, stderr }: CommandOutput, sentence: RegExp, expectedCode = 1): void {
  assert.equal(code, expectedCode, stdout)
  assert.match(stderr, sentence)
  assert.doesNotMatch(stderr, /\n\s+at /)
  assert.equal(stdout, '')
}

before(async () => {
  jsonOf(await runInProcess('init', '--data', data, '--json'))
})
after(() => {
  rmSync(root, { recursive: true, force: true })
})

describe('keyhaven vault', () => {
  test('create makes a vault with the defaults of the service, and show and list show it', async () => {
    const made = jsonOf(await run('vault', 'create', '--name', 'Team-A', '--json'))
    assert.equal(made.name, 'Team-A')
    assert.equal(made.enableRbacAuthorization, true)
    assert.equal(made.softDeleteRetentionInDays, 90)
    assert.equal(made.enablePurgeProtection, false)
    assert.equal(made.publicNetworkAccess, 'Enabled')
    assert.deepEqual(jsonOf(await run('vault', 'show', '--name', 'team-a', '--json')), made)
    assert.deepEqual(jsonOf(await run('vault', 'list', '--json')), [made])
    const { code, stdout } = await run('vault', 'list')
    assert.equal(code, 0)
    assert.match(stdout, /^NAME +RBAC +DAYS +ID\nTeam-A +true +90 +\/subscriptions\/.*\/vaults\/team-a\n$/)
  })

  test('create takes every option', async () => {
    const made = jsonOf(
      await run(
        ...['vault', 'create', '--name', 'team-b', '--rbac', 'false', '--soft-delete-retention-days', '7'],
        ...['--enable-purge-protection', '--location', 'westeurope', '--resource-group', 'group'],
        ...['--public-network-access', 'Disabled', '--default-action', 'Deny', '--ip-rules', '10.0.0.0/8,192.0.2.1'],
        '--json',
      ),
    )
    assert.equal(made.enableRbacAuthorization, false)
    assert.equal(made.softDeleteRetentionInDays, 7)
    assert.equal(made.enablePurgeProtection, true)
    assert.equal(made.location, 'westeurope')
    assert.equal(made.resourceGroup, 'group')
    assert.equal(made.publicNetworkAccess, 'Disabled')
    assert.equal(made.networkAcls.defaultAction, 'Deny')
    assert.deepEqual(made.networkAcls.ipRules, ['10.0.0.0/8', '192.0.2.1'])
  })

  test('update changes what is named, and purge protection stays on', async () => {
    const earlier = jsonOf(await run('vault', 'show', '--name', 'team-b', '--json'))
    const changed = jsonOf(
      await run('vault', 'update', '--name', 'team-b', '--public-network-access', 'Enabled', '--json'),
    )
    assert.deepEqual(changed, { ...earlier, publicNetworkAccess: 'Enabled' })
  })

  test('set-policy adds an entry or replaces it, and delete-policy takes it away', async () => {
    const policy = (permissions: string) =>
      run(
        'vault',
        'set-policy',
        '--name',
        'team-b',
        '--object-id',
        OBJECT_ID,
        '--secret-permissions',
        permissions,
        '--json',
      )
    assert.deepEqual(jsonOf(await policy('get,list')).accessPolicies[0].permissions, { secrets: ['get', 'list'] })
    const replaced = jsonOf(await policy('get'))
    assert.equal(replaced.accessPolicies.length, 1)
    assert.deepEqual(replaced.accessPolicies[0].permissions, { secrets: ['get'] })
    const left = jsonOf(await run('vault', 'delete-policy', '--name', 'team-b', '--object-id', OBJECT_ID, '--json'))
    assert.deepEqual(left.accessPolicies, [])
  })

  test('refuses what cannot be, with exit code 1 and a sentence', async () => {
    assertRefused(
      await run('vault', 'create', '--name', 'TEAM-A'),
      /^keyhaven vault: the vault name TEAM-A is already in use/,
    )
    assertRefused(await run('vault', 'create', '--name', 'a--b'), /"a--b" is no vault name: 3 to 24/)
    assertRefused(await run('vault', 'create', '--name', 'x'), /is no vault name/)
    assertRefused(
      await run('vault', 'create', '--name', 'team-c', '--soft-delete-retention-days', '6'),
      /deleted objects are kept for 7 to 90 days/,
    )
    assertRefused(
      await run('vault', 'create', '--name', 'team-c', '--soft-delete-retention-days', 'many'),
      /deleted objects are kept for 7 to 90 days/,
    )
    assertRefused(await run('vault', 'create', '--name', 'team-c', '--rbac', 'maybe'), /--rbac is one of true, false/)
    assertRefused(
      await run('vault', 'create', '--name', 'team-c', '--subscription', OBJECT_ID),
      /there is no such subscription/,
    )
    assertRefused(await run('vault', 'show', '--name', 'nothing'), /there is no vault nothing/)
    assertRefused(await run('vault', 'update', '--name', 'nothing', '--rbac', 'true'), /there is no vault nothing/)
    assertRefused(await run('vault', 'set-policy', '--name', 'team-b'), /name the principal with --object-id/)
    assert.equal(jsonOf(await run('vault', 'list', '--json')).length, 2)
  })

  test('says how it is used, with exit code 2 where the command line is wrong', async () => {
    assertRefused(await run('vault', 'explode'), /there is no "explode"/, 2)
    assertRefused(await run('vault', 'list', '--nonsense'), /--nonsense/, 2)
    const nothing = await runInProcess('vault')
    assert.equal(nothing.code, 2)
    assert.match(nothing.stdout, /^Usage: keyhaven vault create/)
    const help = await runInProcess('vault', '--help')
    assert.equal(help.code, 0)
    assert.equal(help.stdout, nothing.stdout)
  })

  test('refuses a folder without data, and makes nothing there', async () => {
    const empty = join(root, 'empty')
    const refused = await runInProcess('vault', 'list', '--data', empty)
    assertRefused(refused, /there is no data in .*empty: start a server on it first/)
  })
})

describe('keyhaven role', () => {
  test('assign gives a role at a vault or a secret, list shows it, remove takes it away', async () => {
    const assign = ['role', 'assign', '--role', 'Key Vault Secrets User', '--assignee', OBJECT_ID]
    const [atVault] = jsonOf(await run(...assign, '--vault', 'team-a', '--json'))
    assert.match(atVault.id, GUID)
    assert.equal(atVault.principalId, OBJECT_ID)
    assert.match(atVault.scope, /\/vaults\/team-a$/)
    const [atSecret] = jsonOf(await run(...assign, '--vault', 'team-a', '--secret', 'one', '--json'))
    assert.match(atSecret.scope, /\/vaults\/team-a\/secrets\/one$/)
    const idsOf = (list: readonly { id: string }[]) => list.map(({ id }) => id)
    const listed = idsOf(jsonOf(await run('role', 'list', '--vault', 'team-a', '--json')))
    assert.ok(listed.includes(atVault.id))
    const table = await run('role', 'list', '--vault', 'team-a')
    assert.match(table.stdout, new RegExp(`${atVault.id} +Key Vault Secrets User +${OBJECT_ID} +/subscriptions/`))
    const removed = await run('role', 'remove', '--id', atVault.id)
    assert.deepEqual(removed, { code: 0, stdout: '', stderr: '' })
    assert.ok(!idsOf(jsonOf(await run('role', 'list', '--vault', 'team-a', '--json'))).includes(atVault.id))
  })

  test('definitions lists the built-in roles', async () => {
    const roles = jsonOf(await run('role', 'definitions', '--json'))
    const names = roles.map(({ roleName }: { roleName: string }) => roleName)
    for (const name of [
      'Key Vault Administrator',
      'Key Vault Secrets Officer',
      'Key Vault Secrets User',
      'Key Vault Reader',
    ]) {
      assert.ok(names.includes(name), name)
    }
    assert.match((await run('role', 'definitions')).stdout, /^ID +ROLE +FOR\n/)
  })

  test('refuses what cannot be, with exit code 1 and a sentence', async () => {
    assertRefused(
      await run('role', 'assign', '--role', 'Key Vault Reader'),
      /assign needs --role, --assignee and either/,
    )
    assertRefused(
      await run('role', 'assign', '--role', 'Key Vault Emperor', '--assignee', OBJECT_ID, '--vault', 'team-a'),
      /Key Vault Emperor/,
    )
    assertRefused(
      await run('role', 'assign', '--role', 'Key Vault Reader', '--assignee', OBJECT_ID, '--vault', 'nothing'),
      /there is no vault nothing/,
    )
    assertRefused(await run('role', 'remove'), /remove needs --id/)
    assertRefused(await run('role', 'remove', '--id', OBJECT_ID), /there is no role assignment/)
  })

  test('says how it is used, with exit code 2 where the command line is wrong', async () => {
    assertRefused(await run('role', 'explode'), /there is no "explode"/, 2)
    assertRefused(await run('role', 'list', '--nonsense'), /--nonsense/, 2)
    assert.equal((await runInProcess('role')).code, 2)
    assert.equal((await runInProcess('role', '-h')).code, 0)
  })
})
