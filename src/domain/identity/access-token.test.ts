import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDefaultScope, readResource, readUserScopes } from './access-token.ts'

const audienceOf = (read: ReturnType<typeof readDefaultScope>) => (typeof read === 'object' ? read.audience : read)

test('the audience is the scope without /.default and trailing slashes', () => {
  for (const [scope, audience] of [
    ['https://vault.test:8443/.default', 'https://vault.test:8443'],
    ['https://management.test//.default', 'https://management.test'],
    ['api://AzureADTokenExchange/.default', 'api://AzureADTokenExchange'],
    ['cfa8b339-82a2-471a-a3c9-0fc0be7a4093/.default', 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093'],
    ['  https://a.test/.default ', 'https://a.test'],
    ['https://a.test/.default openid offline_access profile', 'https://a.test'],
  ] as const) {
    assert.equal(audienceOf(readDefaultScope(scope)), audience)
  }
})

test('what is not one resource is no scope', () => {
  for (const scope of [
    '',
    '/.default',
    '//.default',
    'vault/.default',
    'https://a.test/.default https://b.test/.default',
  ]) {
    assert.equal(readDefaultScope(scope), undefined, scope)
  }
  assert.equal(readDefaultScope('https://a.test/read'), 'notDefault')
  assert.equal(readDefaultScope(`https://${'a'.repeat(1025)}/.default`), undefined)
})

test('a resource keeps the form the client wrote, for the answer', () => {
  assert.deepEqual(readResource('https://vault.test/'), {
    audience: 'https://vault.test',
    resource: 'https://vault.test/',
  })
  for (const resource of ['', '/', 'vault', 'https://', 'https://a b', 'https://a"b', 'javascript:x']) {
    assert.equal(readResource(resource), undefined, resource)
  }
})

test("OpenID's own scopes are left out of a user's scopes", () => {
  assert.equal(
    readUserScopes('openid https://a.test/read offline_access https://a.test/write')?.audience,
    'https://a.test',
  )
  assert.equal(readUserScopes('https://a.test//.default openid profile')?.audience, 'https://a.test')
  for (const scopes of ['openid', 'User.Read', 'https://a.test', 'https://a.test/x https://b.test/x']) {
    assert.equal(readUserScopes(scopes), undefined, scopes)
  }
})
