import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemoryStore } from '../adapters/storage/memory/memory-store.ts'
import type { RefusalName } from '../errors/catalogue.ts'
import { Refusal } from '../errors/refusal.ts'
import { BACKUP_KEYRING, type BackupSealer, backupSealer } from './backup-blob.ts'
import { newProvider, openProcess } from './sealing-fixture.ts'

const SUBSCRIPTION = '6b29fc40-ca47-1067-b31d-00dd010662da'
const CONTENT = { current: { value: 'c2VjcmV0IHZhbHVl', meta: { name: 'about-this' } } }
const LABEL = 'AzureKeyVaultSecretBackupV1.microsoft.com'

async function newSealer(): Promise<BackupSealer> {
  return backupSealer((await openProcess()).keyrings)
}

async function assertRefused(opening: Promise<unknown>, names: readonly RefusalName[], what: string): Promise<void> {
  await assert.rejects(opening, (error: unknown) => {
    assert.ok(error instanceof Refusal, `${what}: ${String(error)}`)
    assert.ok(names.includes(error.refusalName), `${what}: ${error.refusalName}`)
    assert.doesNotMatch(error.public.message, /c2VjcmV0|about-this/)
    return true
  })
}

describe('a backup blob', () => {
  test('opens where it was made, and names its kind in front', async () => {
    const sealer = await newSealer()
    const blob = await sealer.seal('Secret', SUBSCRIPTION, CONTENT)
    assert.deepEqual(await sealer.open('Secret', SUBSCRIPTION, blob), CONTENT)
    assert.deepEqual(await sealer.open('Secret', SUBSCRIPTION.toUpperCase(), blob), CONTENT)
    assert.match(blob, /^[A-Za-z0-9_-]+$/)
    assert.equal(Buffer.from(blob, 'base64url').toString('latin1', 1, 1 + LABEL.length), LABEL)
  })

  test('shows nothing of what is in it', async () => {
    const blob = await (await newSealer()).seal('Secret', SUBSCRIPTION, CONTENT)
    const outer = Buffer.from(blob, 'base64url')
    const inner = outer
      .toString('latin1', 1 + LABEL.length)
      .split('.')
      .map((part) => Buffer.from(part, 'base64url'))
    for (const bytes of [outer, ...inner]) {
      assert.doesNotMatch(bytes.toString('latin1'), /c2VjcmV0|secret value|about-this/)
      assert.ok(!bytes.includes(SUBSCRIPTION))
    }
  })

  test('does not open when a bit of any of its bytes is flipped', async () => {
    const sealer = await newSealer()
    const sealed = Buffer.from(await sealer.seal('Secret', SUBSCRIPTION, CONTENT), 'base64url')
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 3) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await assertRefused(
        sealer.open('Secret', SUBSCRIPTION, changed.toString('base64url')),
        ['BackupBlobCorrupt', 'BackupBlobInvalid'],
        `bit ${bit}`,
      )
    }
  })

  test('does not open when any one of its characters is another one', async () => {
    const sealer = await newSealer()
    const blob = await sealer.seal('Secret', SUBSCRIPTION, CONTENT)
    for (let at = 0; at < blob.length; at++) {
      for (const other of ['A', '_', '+', 'é']) {
        if (blob[at] === other) continue
        const changed = blob.slice(0, at) + other + blob.slice(at + 1)
        await assertRefused(
          sealer.open('Secret', SUBSCRIPTION, changed),
          ['BackupBlobCorrupt', 'BackupBlobInvalid'],
          `${other} at ${at}`,
        )
      }
    }
  })

  test('does not open when it is cut off anywhere, longer than it was, or nothing at all', async () => {
    const sealer = await newSealer()
    const blob = await sealer.seal('Secret', SUBSCRIPTION, CONTENT)
    for (let length = 0; length < blob.length; length += length < 80 || length > blob.length - 20 ? 1 : 7) {
      await assertRefused(
        sealer.open('Secret', SUBSCRIPTION, blob.slice(0, length)),
        ['BackupBlobCorrupt', 'BackupBlobInvalid'],
        `cut to ${length}`,
      )
    }
    for (const more of ['AAAA', 'Li4u', blob]) {
      await assertRefused(
        sealer.open('Secret', SUBSCRIPTION, blob + more),
        ['BackupBlobCorrupt', 'BackupBlobInvalid'],
        'longer',
      )
    }
  })

  test('of another installation, another subscription or another kind is refused', async () => {
    const sealer = await newSealer()
    const blob = await sealer.seal('Secret', SUBSCRIPTION, CONTENT)
    await assertRefused((await newSealer()).open('Secret', SUBSCRIPTION, blob), ['BackupBlobCorrupt'], 'installation')
    await assertRefused(
      sealer.open('Secret', '6b29fc40-ca47-1067-b31d-00dd010662db', blob),
      ['BackupBlobForeign'],
      'subscription',
    )
    await assertRefused(sealer.open('Key', SUBSCRIPTION, blob), ['BackupBlobInvalid'], 'kind')
    const ofKey = Buffer.from(await sealer.seal('Key', SUBSCRIPTION, CONTENT), 'base64url').toString('latin1')
    const relabelled = ofKey.slice(ofKey.indexOf('eyJ'))
    const label = Buffer.from([LABEL.length]).toString('latin1') + LABEL
    await assertRefused(
      sealer.open('Secret', SUBSCRIPTION, Buffer.from(label + relabelled, 'latin1').toString('base64url')),
      ['BackupBlobForeign'],
      'kind under another label',
    )
  })

  test('that asks for another algorithm, or for none, is refused', async () => {
    const sealer = await newSealer()
    const blob = Buffer.from(await sealer.seal('Secret', SUBSCRIPTION, CONTENT), 'base64url').toString('latin1')
    const start = blob.indexOf('eyJ')
    const [header = '', ...parts] = blob.slice(start).split('.')
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
    for (const forged of [
      { kid, alg: 'dir', enc: 'A256CBC-HS512' },
      { kid, alg: 'A256KW', enc: 'A128GCM' },
      { kid, alg: 'none', enc: 'none' },
      { kid, alg: 'A256KW', enc: 'A256CBC-HS512', zip: 'DEF' },
      { kid: 'another', alg: 'A256KW', enc: 'A256CBC-HS512' },
      { kid, alg: 'A256KW', enc: 'A256CBC-HS512', crit: ['b64'], b64: false },
    ]) {
      const jwe = [Buffer.from(JSON.stringify(forged)).toString('base64url'), ...parts].join('.')
      await assertRefused(
        sealer.open('Secret', SUBSCRIPTION, Buffer.from(blob.slice(0, start) + jwe, 'latin1').toString('base64url')),
        ['BackupBlobCorrupt'],
        JSON.stringify(forged),
      )
    }
  })

  test('still opens after the key of backups and the root key were rotated', async () => {
    const store = createMemoryStore()
    const provider = newProvider()
    const { keyrings } = await openProcess(store, provider)
    const blob = await backupSealer(keyrings).seal('Secret', SUBSCRIPTION, CONTENT)
    await keyrings.addGeneration(BACKUP_KEYRING)
    await keyrings.rotateRootKey(() => undefined)
    const later = await openProcess(store, provider)
    assert.deepEqual(await backupSealer(later.keyrings).open('Secret', SUBSCRIPTION, blob), CONTENT)
    const newer = await backupSealer(keyrings).seal('Secret', SUBSCRIPTION, CONTENT)
    assert.deepEqual(await backupSealer(later.keyrings).open('Secret', SUBSCRIPTION, newer), CONTENT)
  })
})
