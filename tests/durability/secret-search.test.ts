import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findSecrets, formsOf, type Marker, textMarker } from './secret-search.ts'

const marker = textMarker('marker', 'correct/horse+battery "staple" é~')
const key: Marker = { name: 'key', bytes: Buffer.from(Array.from({ length: 32 }, (_, index) => 200 + index * 7)) }

const found = (text: string | Buffer, which = marker) =>
  findSecrets(
    [which],
    [{ name: 'a file', bytes: Buffer.concat([Buffer.from('xyz'), Buffer.from(text), Buffer.from('zyx')]) }],
  )

describe('the search for secrets', () => {
  test('finds a secret in each of its forms', () => {
    const text = marker.bytes.toString()
    for (const form of [
      text,
      encodeURIComponent(text),
      new URLSearchParams({ value: text }).toString(),
      JSON.stringify({ value: text }),
      JSON.stringify(JSON.stringify({ value: text })),
      Buffer.from(text, 'utf16le'),
      Buffer.from(text, 'utf16le').swap16(),
      marker.bytes.toString('hex'),
      marker.bytes.toString('hex').toUpperCase(),
      JSON.stringify(marker.bytes),
      JSON.stringify([...marker.bytes]),
    ]) {
      assert.notDeepEqual(found(form), [], String(form))
    }
  })

  test('finds a secret in base64 wherever it begins and ends, broken over lines or not', () => {
    for (const { bytes, name } of [marker, key]) {
      for (let before = 0; before < 6; before++) {
        for (let after = 0; after < 3; after++) {
          const inside = Buffer.concat([Buffer.alloc(before, 'b'), bytes, Buffer.alloc(after, 'a')])
          for (const encoding of ['base64', 'base64url'] as const) {
            const encoded = inside.toString(encoding)
            assert.notDeepEqual(found(encoded, { name, bytes }), [])
            assert.notDeepEqual(found(encoded.replaceAll(/.{16}/g, '$&\n'), { name, bytes }), [])
            assert.notDeepEqual(found(encoded.replaceAll(/.{16}/g, '$&\\n'), { name, bytes }), [])
          }
        }
      }
    }
  })

  test('finds nothing where there is nothing', () => {
    assert.deepEqual(found('correct horse battery staple '.repeat(1000)), [])
    assert.deepEqual(found(Buffer.alloc(100_000), key), [])
  })

  test('looks for bytes that are no text as well', () => {
    assert.ok(formsOf(key).length >= 12)
    assert.notDeepEqual(found(key.bytes, key), [])
    assert.notDeepEqual(
      found(`<Buffer ${[...key.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}>`, key),
      [],
    )
  })
})
