/** Users: password and refresh token, as `az login -u -p` asks for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_FAILURES_PER_ADDRESS, REFRESH_TOKEN_LIFETIME_SECONDS } from '../../../src/domain/identity/limits.ts'
import { createTenant, createUser, deleteUser, setPassword } from '../../../src/flows/identity-administration.ts'
import { AUTHORITY_URL, type Installation, openInstallation, partsOf, postToken, START_MS } from './identity-fixture.ts'

const AZURE_CLI = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'
const NOW = START_MS / 1000
const PASSWORD = 'correct horse'
const SCOPE = 'https://management.test//.default openid profile offline_access'

const passwordForm = (more: Record<string, string> = {}) => ({
  grant_type: 'password',
  client_id: AZURE_CLI,
  username: 'Ada@Example.org',
  password: PASSWORD,
  scope: SCOPE,
  client_info: '1',
  ...more,
})

const refreshForm = (refreshToken: unknown, more: Record<string, string> = {}) => ({
  grant_type: 'refresh_token',
  client_id: AZURE_CLI,
  refresh_token: String(refreshToken),
  scope: SCOPE,
  ...more,
})

async function withUser(): Promise<Installation & { objectId: string }> {
  const installation = await openInstallation()
  const { tenantId } = installation.tenant
  const wanted = { userPrincipalName: 'ada@example.org', displayName: 'Ada', tenantId, password: PASSWORD }
  const { objectId } = await createUser(installation.parts, wanted)
  return { ...installation, objectId }
}

test('a password gives access, id and refresh tokens', async () => {
  const { context, tenant, objectId } = await withUser()
  const reply = await postToken(context(), 'organizations', passwordForm())
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  const { claims } = partsOf(reply.body.access_token)
  assert.equal(claims.aud, 'https://management.test')
  assert.deepEqual(
    [claims.oid, claims.tid, claims.upn, claims.scp, claims.idtyp, claims.appid, claims.appidacr],
    [objectId, tenant.tenantId, 'ada@example.org', 'user_impersonation', 'user', AZURE_CLI, '0'],
  )
  const id = partsOf(reply.body.id_token).claims
  assert.deepEqual(
    [id.aud, id.iss, id.oid, id.tid, id.preferred_username, id.exp],
    [AZURE_CLI, `${AUTHORITY_URL}/${tenant.tenantId}/v2.0`, objectId, tenant.tenantId, 'ada@example.org', NOW + 3599],
  )
  const info = JSON.parse(Buffer.from(String(reply.body.client_info), 'base64url').toString()) as unknown
  assert.deepEqual(info, { uid: objectId, utid: tenant.tenantId })
})

test('a wrong password and an unknown user give the same answer', async () => {
  const { context } = await withUser()
  const wrong = await postToken(context(), 'organizations', passwordForm({ password: 'wrong horse' }))
  const unknown = await postToken(context(), 'organizations', passwordForm({ username: 'bob@example.org' }))
  for (const reply of [wrong, unknown]) {
    assert.deepEqual([reply.status, reply.body.error, reply.body.error_codes], [400, 'invalid_grant', [50126]])
  }
})

test('guessing from one address is blocked there, for users that do not exist as well', async () => {
  const { context, clock } = await withUser()
  const guess = (username: string) =>
    postToken(context(), 'organizations', passwordForm({ username, password: 'wrong horse' }))
  for (let attempt = 0; attempt < MAX_FAILURES_PER_ADDRESS; attempt += 1) await guess('bob@example.org')
  const blocked = await guess('bob@example.org')
  assert.deepEqual([blocked.status, blocked.body.error_codes, blocked.headers['retry-after']], [400, [50053], '60'])
  assert.equal((await postToken(context(), 'organizations', passwordForm())).status, 200)
  clock.move(60_000)
  assert.deepEqual((await guess('bob@example.org')).body.error_codes, [50126])
})

test('a user of another tenant cannot sign in at this one', async () => {
  const { context, parts } = await withUser()
  const other = await createTenant(parts, { displayName: 'Other' })
  assert.deepEqual((await postToken(context(), other.tenantId, passwordForm())).body.error_codes, [50126])
})

test('only public clients sign users in without a credential of their own', async () => {
  const { context, createApp } = await withUser()
  const confidential = await createApp()
  const form = passwordForm({ client_id: confidential.clientId })
  assert.deepEqual((await postToken(context(), 'organizations', form)).body.error_codes, [7000218])
  const secret = { client_secret: confidential.clientSecret ?? '' }
  const proven = await postToken(context(), 'organizations', { ...form, ...secret })
  assert.equal(partsOf(proven.body.access_token).claims.appidacr, '1')
  const pub = await createApp({ isPublicClient: true })
  assert.equal((await postToken(context(), 'organizations', passwordForm({ client_id: pub.clientId }))).status, 200)
})

test('a refresh token gives new tokens, for another resource too, until a week after the password', async () => {
  const { context, tenant, clock, newAuthority } = await withUser()
  let reply = await postToken(context(), 'organizations', passwordForm())
  const scope = 'https://vault.test/user_impersonation openid offline_access'
  clock.move(6 * 86_400_000)
  // Another process opens what this one sealed.
  reply = await postToken(
    context({}, { authority: newAuthority() }),
    tenant.tenantId,
    refreshForm(reply.body.refresh_token, { scope }),
  )
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  assert.equal(partsOf(reply.body.access_token).claims.aud, 'https://vault.test')
  clock.move(REFRESH_TOKEN_LIFETIME_SECONDS * 1000 - 6 * 86_400_000)
  const late = await postToken(context(), tenant.tenantId, refreshForm(reply.body.refresh_token))
  assert.deepEqual([late.status, late.body.error_codes], [400, [700082]])
})

test('a refresh token ends with the password, and with the user', async () => {
  const { context, parts } = await withUser()
  const before = await postToken(context(), 'organizations', passwordForm())
  await setPassword(parts, 'ada@example.org', 'another horse')
  const refused = await postToken(context(), 'organizations', refreshForm(before.body.refresh_token))
  assert.deepEqual(refused.body.error_codes, [700082])
  const after = await postToken(context(), 'organizations', passwordForm({ password: 'another horse' }))
  await deleteUser(parts, 'ada@example.org')
  const gone = await postToken(context(), 'organizations', refreshForm(after.body.refresh_token))
  assert.deepEqual(gone.body.error_codes, [700082])
})

test('a refresh token is of no use to another client, nor changed, nor is an access token one', async () => {
  const { context, createApp } = await withUser()
  const { body } = await postToken(context(), 'organizations', passwordForm())
  const other = await createApp({ isPublicClient: true })
  const token = String(body.refresh_token)
  const changed = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`
  for (const form of [
    refreshForm(token, { client_id: other.clientId }),
    refreshForm(changed),
    refreshForm(body.access_token),
    refreshForm('x'),
  ]) {
    assert.deepEqual((await postToken(context(), 'organizations', form)).body.error_codes, [700082])
  }
})

test('a scope of two resources, or of none, is refused', async () => {
  const { context } = await withUser()
  for (const scope of ['openid', 'https://a.test/x https://b.test/y', 'User.Read']) {
    assert.deepEqual((await postToken(context(), 'organizations', passwordForm({ scope }))).body.error_codes, [70011])
  }
})
