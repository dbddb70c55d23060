import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_GROUP_NESTING } from './limits.ts'
import { type Group, groupsOf } from './principals.ts'

const group = (objectId: string, members: readonly string[], tenantId = 't'): Group => ({
  objectId,
  tenantId,
  displayName: objectId,
  members,
  createdUnixSeconds: 0,
})

test('groups are found through groups, each once, whatever way leads there', () => {
  const groups = [group('a', ['me']), group('b', ['a', 'me']), group('c', ['a', 'b']), group('d', ['other'])]
  assert.deepEqual(groupsOf('me', 't', groups), ['a', 'b', 'c'])
})

test('a circle of groups ends', () => {
  assert.deepEqual(groupsOf('me', 't', [group('a', ['me', 'b']), group('b', ['a'])]), ['a', 'b'])
})

test('nesting is followed so far and no further', () => {
  const chain = Array.from({ length: MAX_GROUP_NESTING + 2 }, (_, level) =>
    group(`g${String(level).padStart(2, '0')}`, [level === 0 ? 'me' : `g${String(level - 1).padStart(2, '0')}`]),
  )
  assert.equal(groupsOf('me', 't', chain).length, MAX_GROUP_NESTING)
})

test("another tenant's groups do not count", () => {
  assert.deepEqual(groupsOf('me', 't', [group('a', ['me'], 'u'), group('b', ['a'])]), [])
})
