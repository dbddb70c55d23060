/**
 * What every storage engine promises (src/ports/store.ts), as tests. Each engine's own test file runs them with a way
 * to open an empty store.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Change,
  COLLECTIONS,
  type Collection,
  MAX_KEY_BYTES,
  type PageRequest,
  type Store,
  StoreConflict,
  StoreUnavailable,
} from '../../src/ports/store.ts'

/** In the order of their UTF-8 bytes, which is not the order of their UTF-16 units. */
const SORTED_KEYS = [
  '',
  '\0',
  'A',
  'a',
  'a\0',
  'a\0b',
  'a/',
  'a/b',
  'a0',
  'aa',
  'a~',
  'a\u007f',
  'a\u0080',
  'aé',
  'a\u07ff',
  'a\u0800',
  'a\ud7ff',
  'a\ud7ffb',
  'a\ue000',
  'a\uffff',
  'a\u{10000}',
  'a\u{1f600}',
  'a\u{10ffff}',
  'a\u{10ffff}\u{10ffff}b',
  'b',
  'ÿ',
  '\u{10ffff}',
  '\u{10ffff}a',
]

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

export const put = (key: string, text: string, expect: Change['expect'] = 'any'): Change => ({
  collection: 'secrets',
  key,
  expect,
  body: bytes(text),
})

export async function textOf(store: Store, key: string, collection: Collection = 'secrets') {
  const record = await store.read(collection, key)
  return record === undefined ? undefined : Buffer.from(record.body).toString()
}

export function describeStoreContract(name: string, open: () => Promise<Store>): void {
  /** A test with an empty store of its own, closed at its end. */
  const test = (title: string, run: (store: Store) => Promise<void>) =>
    it(title, async () => {
      const store = await open()
      try {
        await run(store)
      } finally {
        await store.close()
      }
    })

  const revisionOf = async (store: Store, key: string) => {
    const record = await store.read('secrets', key)
    assert.ok(record !== undefined)
    return record.revision
  }

  const keysOf = async (store: Store, request: Partial<PageRequest> = {}) =>
    (await store.page('secrets', { prefix: '', limit: 1_000, ...request })).map(({ key }) => key)

  const refusedFor = (collection: Collection, key: string) => (error: unknown) =>
    error instanceof StoreConflict && error.collection === collection && error.key === key

  describe(`${name}: reading`, () => {
    test('a record that was never written is undefined', async (store) => {
      assert.equal(await store.read('secrets', 'nobody'), undefined)
    })

    test('a record is read back with its bytes, whatever they are', async (store) => {
      const body = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256)
      await store.commit([{ collection: 'secrets', key: 'all bytes', expect: 'absent', body }])
      await store.commit([{ collection: 'secrets', key: 'none', expect: 'absent', body: new Uint8Array(0) }])
      const record = await store.read('secrets', 'all bytes')
      assert.deepEqual(Buffer.from(record?.body ?? []), Buffer.from(body))
      assert.equal(record?.key, 'all bytes')
      assert.equal((await store.read('secrets', 'none'))?.body.byteLength, 0)
    })

    test('every collection is there and has keys of its own', async (store) => {
      await store.commit(
        COLLECTIONS.map((collection) => ({ collection, key: 'k', expect: 'absent', body: bytes(collection) })),
      )
      for (const collection of COLLECTIONS) assert.equal(await textOf(store, 'k', collection), collection)
    })

    test('bytes handed over or handed out may be overwritten without changing what is stored', async (store) => {
      const pool = Buffer.from('..mine..')
      const body = pool.subarray(2, 6)
      const committed = store.commit([{ collection: 'secrets', key: 'k', expect: 'any', body }])
      pool.fill(0)
      await committed
      const record = await store.read('secrets', 'k')
      record?.body.fill(0)
      assert.equal(await textOf(store, 'k'), 'mine')
    })
  })

  describe(`${name}: pages`, () => {
    const withKeys = (title: string, run: (store: Store) => Promise<void>) =>
      test(title, async (store) => {
        await store.commit(SORTED_KEYS.toReversed().map((key) => put(key, key)))
        await run(store)
      })

    withKeys('records come in the order of the UTF-8 bytes of their keys', async (store) => {
      assert.deepEqual(await keysOf(store), SORTED_KEYS)
    })

    withKeys('records of a page are whole', async (store) => {
      const [record] = await store.page('secrets', { prefix: 'aé', limit: 1 })
      assert.deepEqual(record && { ...record, body: Buffer.from(record.body).toString() }, {
        key: 'aé',
        revision: await revisionOf(store, 'aé'),
        body: 'aé',
      })
    })

    withKeys('a prefix selects the keys that start with it, and no others', async (store) => {
      for (const prefix of [
        '',
        '\0',
        'a',
        'a\0',
        'a/',
        'a\ud7ff',
        'a\uffff',
        'a\u{10ffff}',
        '\u{10ffff}',
        'aé',
        'ÿ',
        'c',
      ]) {
        assert.deepEqual(
          await keysOf(store, { prefix }),
          SORTED_KEYS.filter((key) => key.startsWith(prefix)),
          JSON.stringify(prefix),
        )
      }
    })

    withKeys('after leaves out its own key and everything before it', async (store) => {
      for (const [index, after] of SORTED_KEYS.entries()) {
        assert.deepEqual(await keysOf(store, { after }), SORTED_KEYS.slice(index + 1), JSON.stringify(after))
      }
    })

    withKeys('from begins with its own key', async (store) => {
      for (const [index, from] of SORTED_KEYS.entries()) {
        assert.deepEqual(await keysOf(store, { from }), SORTED_KEYS.slice(index), JSON.stringify(from))
      }
    })

    withKeys('after and from need not name a record that exists', async (store) => {
      assert.deepEqual(
        await keysOf(store, { prefix: 'a', after: 'a1' }),
        await keysOf(store, { prefix: 'a', from: 'aa' }),
      )
      assert.deepEqual(
        await keysOf(store, { prefix: 'a', from: 'a1' }),
        await keysOf(store, { prefix: 'a', from: 'aa' }),
      )
    })

    withKeys('after and from outside a prefix do not widen it', async (store) => {
      assert.deepEqual(await keysOf(store, { prefix: 'a/', after: 'A' }), ['a/', 'a/b'])
      assert.deepEqual(await keysOf(store, { prefix: 'a/', from: 'A' }), ['a/', 'a/b'])
      assert.deepEqual(await keysOf(store, { prefix: 'a/', after: 'b' }), [])
      assert.deepEqual(await keysOf(store, { prefix: 'a/', from: 'b' }), [])
    })

    withKeys('of after and from the later one counts', async (store) => {
      assert.deepEqual(await keysOf(store, { prefix: 'a', from: 'a/', after: 'aa', limit: 1 }), ['a~'])
      assert.deepEqual(await keysOf(store, { prefix: 'a', from: 'aa', after: 'a/', limit: 1 }), ['aa'])
    })

    withKeys('pages of any size, one after the other, give every record once', async (store) => {
      for (const limit of [1, 2, 5, SORTED_KEYS.length, SORTED_KEYS.length + 1]) {
        const seen: string[] = []
        let after: string | undefined
        do {
          const page = await keysOf(store, { limit, ...(after === undefined ? {} : { after }) })
          assert.ok(page.length <= limit)
          seen.push(...page)
          after = page.at(-1)
        } while (after !== undefined)
        assert.deepEqual(seen, SORTED_KEYS)
      }
    })

    test('a limit that is no positive integer is refused', async (store) => {
      for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(store.page('secrets', { prefix: '', limit }), RangeError)
      }
    })

    test('deleted records are in no page', async (store) => {
      await store.commit([put('a', '1'), put('b', '2'), put('c', '3')])
      await store.commit([{ collection: 'secrets', key: 'b', expect: 'any', body: null }])
      assert.deepEqual(await keysOf(store), ['a', 'c'])
    })
  })

  describe(`${name}: commits`, () => {
    test('absent is kept only while there is no such record', async (store) => {
      await store.commit([put('k', 'first', 'absent')])
      await assert.rejects(store.commit([put('k', 'second', 'absent')]), refusedFor('secrets', 'k'))
      assert.equal(await textOf(store, 'k'), 'first')
    })

    test('any is kept whether or not there is a record', async (store) => {
      await store.commit([put('k', 'first', 'any')])
      await store.commit([put('k', 'second', 'any')])
      assert.equal(await textOf(store, 'k'), 'second')
    })

    test('a revision is kept only by the record that has it', async (store) => {
      await store.commit([put('k', 'first')])
      const revision = await revisionOf(store, 'k')
      await store.commit([put('k', 'second', revision)])
      await assert.rejects(store.commit([put('k', 'third', revision)]), refusedFor('secrets', 'k'))
      await assert.rejects(store.commit([put('nobody', 'x', revision)]), refusedFor('secrets', 'nobody'))
      assert.equal(await textOf(store, 'k'), 'second')
    })

    test('deletions keep expectations too, and deleting nothing is no conflict where any state will do', async (store) => {
      const remove = (expect: Change['expect']): Change => ({ collection: 'secrets', key: 'k', expect, body: null })
      await store.commit([remove('any')])
      await store.commit([put('k', 'there')])
      await assert.rejects(store.commit([remove('absent')]), refusedFor('secrets', 'k'))
      await store.commit([remove(await revisionOf(store, 'k'))])
      assert.equal(await store.read('secrets', 'k'), undefined)
    })

    test('keep checks an expectation and changes nothing', async (store) => {
      await store.commit([put('k', 'there')])
      const before = await store.read('secrets', 'k')
      const keep = (key: string, expect: Change['expect']): Change => ({
        collection: 'secrets',
        key,
        expect,
        body: 'keep',
      })
      await store.commit([
        keep('k', before?.revision ?? -1),
        keep('nobody', 'absent'),
        keep('k', 'any'),
        keep('nobody', 'any'),
      ])
      assert.deepEqual(await store.read('secrets', 'k'), before)
      assert.equal(await store.read('secrets', 'nobody'), undefined)
      await assert.rejects(store.commit([keep('k', 'absent'), put('other', 'x')]), refusedFor('secrets', 'k'))
      await assert.rejects(store.commit([put('other', 'x'), keep('nobody', 1)]), refusedFor('secrets', 'nobody'))
      assert.equal(await store.read('secrets', 'other'), undefined)
    })

    test('of a commit with one conflict nothing is applied, in whatever order it is written', async (store) => {
      await store.commit([put('taken', 'mine'), put('old', 'old')])
      const deletion: Change = { collection: 'secrets', key: 'old', expect: 'any', body: null }
      const changes = [put('new', 'x'), deletion, put('taken', 'theirs', 'absent'), put('new too', 'x')]
      for (const attempt of [changes, changes.toReversed()]) {
        await assert.rejects(store.commit(attempt), refusedFor('secrets', 'taken'))
        assert.deepEqual(await keysOf(store), ['old', 'taken'])
      }
      assert.equal(await textOf(store, 'taken'), 'mine')
    })

    test('expectations are about the state before the commit', async (store) => {
      await store.commit([put('k', 'first', 'absent'), put('k', 'second', 'absent')])
      assert.equal(await textOf(store, 'k'), 'second')
    })

    test('a commit of nothing succeeds', async (store) => {
      await store.commit([])
    })

    test('revisions grow with every commit, also of other collections', async (store) => {
      const seen: number[] = []
      for (const collection of ['secrets', 'vaults', 'secrets', 'meta'] as const) {
        await store.commit([{ collection, key: 'k', expect: 'any', body: bytes('x') }])
        seen.push((await store.read(collection, 'k'))?.revision ?? -1)
      }
      for (const [index, revision] of seen.entries()) assert.ok(index === 0 || revision > (seen[index - 1] ?? revision))
    })

    test('a record deleted and made again never has a revision it had before', async (store) => {
      const seen = new Set<number>()
      for (let round = 0; round < 20; round++) {
        await store.commit([put('k', 'x', 'absent')])
        seen.add(await revisionOf(store, 'k'))
        await store.commit([{ collection: 'secrets', key: 'k', expect: 'any', body: null }])
      }
      assert.equal(seen.size, 20)
    })

    test('keys may have up to MAX_KEY_BYTES bytes of UTF-8', async (store) => {
      const longest = 'é'.repeat(MAX_KEY_BYTES / 2)
      await store.commit([put(longest, 'there')])
      assert.equal(await textOf(store, longest), 'there')
      assert.deepEqual(await keysOf(store, { prefix: 'éé' }), [longest])
      await assert.rejects(store.commit([put(`${longest}x`, 'x')]), RangeError)
    })

    test('keys that are not well-formed Unicode are refused, since engines would change them', async (store) => {
      await assert.rejects(store.commit([put('half \ud83d', 'x')]), TypeError)
    })

    test('nothing is committed after closing, and nothing read', async (store) => {
      await store.close()
      await assert.rejects(store.commit([put('k', 'x')]), StoreUnavailable)
      await assert.rejects(store.read('secrets', 'k'), StoreUnavailable)
      await assert.rejects(store.page('secrets', { prefix: '', limit: 1 }), StoreUnavailable)
    })
  })

  describe(`${name}: several at once`, () => {
    test('of commits that exclude each other exactly one wins', async (store) => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 20 }, (_, number) => store.commit([put('k', String(number), 'absent')])),
      )
      assert.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 1)
      const winner = attempts.findIndex(({ status }) => status === 'fulfilled')
      assert.equal(await textOf(store, 'k'), String(winner))
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') assert.ok(attempt.reason instanceof StoreConflict)
      }
    })

    test('the conflict of one commit leaves those beside it alone', async (store) => {
      await store.commit([put('taken', 'mine')])
      const attempts = await Promise.allSettled([
        store.commit([put('a', 'a')]),
        store.commit([put('b', 'b'), put('taken', 'theirs', 'absent')]),
        store.commit([put('c', 'c')]),
      ])
      assert.deepEqual(
        attempts.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual(await keysOf(store), ['a', 'c', 'taken'])
    })

    test('what was acknowledged is in the next read', async (store) => {
      await Promise.all(
        Array.from({ length: 50 }, async (_, number) => {
          await store.commit([put(`k${number}`, 'x')])
          assert.notEqual(await store.read('secrets', `k${number}`), undefined)
        }),
      )
    })

    test('50 writers incrementing one counter lose nothing', async (store) => {
      const increment = async () => {
        for (;;) {
          const found = await store.read('secrets', 'counter')
          const count = found === undefined ? 0 : Number(Buffer.from(found.body).toString())
          try {
            await store.commit([put('counter', String(count + 1), found?.revision ?? 'absent')])
            return
          } catch (error) {
            if (!(error instanceof StoreConflict)) throw error
          }
        }
      }
      await Promise.all(Array.from({ length: 50 }, increment))
      assert.equal(await textOf(store, 'counter'), '50')
    })

    test('the change token stays until something is committed, and then changes', async (store) => {
      if (store.changeToken === undefined) return
      await store.commit([put('k', 'x')])
      const seen = new Set<number>()
      for (let round = 0; round < 5; round++) {
        const token: number = store.changeToken()
        assert.ok(!seen.has(token))
        seen.add(token)
        await store.read('secrets', 'k')
        await assert.rejects(store.commit([put('k', 'y', 'absent')]), StoreConflict)
        assert.equal(store.changeToken(), token)
        await store.commit([{ collection: 'vaults', key: 'k', expect: 'any', body: bytes(String(round)) }])
      }
    })
  })
}
