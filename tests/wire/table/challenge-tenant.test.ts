import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../../support/test-server.ts'

test('with --challenge-tenant adfs, own names challenge with adfs and the real names with the tenant id', async () => {
  const server = await startTestServer({ challengeTenant: 'adfs' })
  try {
    const own = await server.send({ path: '/secrets?api-version=7.4', host: 'dev.vault.localhost', token: null })
    assert.equal(
      own.headers['www-authenticate'],
      `Bearer authorization="https://login.localhost:${server.port}/adfs", resource="https://vault.localhost:${server.port}"`,
    )
    const real = await server.send({
      path: '/secrets?api-version=7.4',
      host: 'dev.vault.azure.net',
      token: null,
      headers: { host: 'dev.vault.azure.net' },
    })
    assert.equal(
      real.headers['www-authenticate'],
      `Bearer authorization="https://login.microsoftonline.com/${server.tenantId}", resource="https://vault.azure.net"`,
    )
  } finally {
    await server.stop()
  }
})
