/** The keys of an installation as things to search for. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSettings } from '../../src/config/settings.ts'
import { openDataFolder } from '../../src/data-folder.ts'
import { openAuditKey } from '../../src/flows/audit-keys.ts'
import { systemRandom } from '../../src/ports/random.ts'
import type { Marker } from './secret-search.ts'

const LONGEST_SYMMETRIC_KEY_BYTES = 64

/** The secret numbers of a private key, PEM or PKCS #8. */
function privateParts(bytes: Buffer): Readonly<Record<string, string>> {
  const key = bytes.includes('-----BEGIN')
    ? createPrivateKey({ key: bytes, format: 'pem' })
    : createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
  const { d, p } = key.export({ format: 'jwk' })
  return { ...(d === undefined ? {} : { d }), ...(p === undefined ? {} : { p }) }
}

/** All keys of the installation, from its own store; the root key apart, because one file is meant to have it. */
export async function keyMarkers(
  dataFolder: string,
): Promise<{ readonly markers: Marker[]; readonly rootKey: Marker }> {
  const settings = { ...loadSettings('development', {}, {}), dataFolder }
  const data = await openDataFolder({ settings, random: systemRandom, mayCreate: false })
  const markers: Marker[] = []
  try {
    for (const collection of ['serverCertificates', 'signingKeys'] as const) {
      const records = await data.installation.page(collection, { prefix: '', limit: 100 })
      assert.ok(records.length > 0)
      for (const record of records) {
        if (!record.hasValue) continue
        const bytes = record.openValue().reveal()
        const place = `${collection} ${record.key}`
        if (bytes.byteLength <= LONGEST_SYMMETRIC_KEY_BYTES) {
          markers.push({ name: place, bytes })
          continue
        }
        for (const [part, text] of Object.entries(privateParts(bytes))) {
          markers.push({ name: `${part} of ${place}`, bytes: Buffer.from(text, 'base64url') })
        }
      }
    }
    for await (const name of data.keyrings.names()) {
      for (const { generation, key } of (await data.keyrings.get(name)).keys.values()) {
        markers.push({ name: `key ${name}/${generation}`, bytes: key.export() })
      }
    }
    markers.push({ name: 'audit key', bytes: (await openAuditKey(data.installation, systemRandom)).reveal() })
  } finally {
    await data.close()
  }
  const hex = readFileSync(join(dataFolder, 'root.key'), 'utf8').trim().split('\n')[1] ?? ''
  const rootKey = { name: 'root key', bytes: Buffer.from(hex, 'hex') }
  assert.equal(rootKey.bytes.byteLength, 32)
  assert.ok(markers.length > 6)
  return { markers, rootKey }
}
