/** Each of the twelve operations on secrets once or more, as something that can be done again and again with faults. */
import assert from 'node:assert/strict'
import type { TestAnswer, TestServer } from '../support/test-server.ts'
import { versionOf } from '../support/vault-answers.ts'

export type Send = ReturnType<TestServer['vault']>

export interface Scenario {
  readonly operation: string
  readonly name: string
  /** Makes what the request needs; what it answers is handed to the request. */
  prepare(send: Send): Promise<string>
  act(send: Send, prepared: string): Promise<TestAnswer>
  readonly success: number
  /** The answer to the same request once it took effect. */
  readonly again: number
}

/** In every value, so that a search of answers and logs finds it. */
export const VALUE_MARK = 'mark-of-a-value'

const set = async (send: Send, name: string, value: string): Promise<TestAnswer> => {
  const answer = await send('PUT', `/secrets/${name}`, { value: `${VALUE_MARK} ${value}`, tags: { about: name } })
  assert.equal(answer.status, 200, answer.text)
  return answer
}

/** One secret with two older versions, one more secret, and one that is deleted. Answers an older version's id. */
async function fill(send: Send): Promise<string> {
  const older = versionOf(await set(send, 'one', 'first'))
  await set(send, 'one', 'second')
  await set(send, 'one', 'third')
  await set(send, 'other', 'only')
  await set(send, 'gone', 'first')
  await set(send, 'gone', 'second')
  assert.equal((await send('DELETE', '/secrets/gone')).status, 200)
  return older
}

const reading = { success: 200, again: 200, prepare: fill }
const repeatable = { success: 200, again: 200, prepare: fill }

export const scenarios: readonly Scenario[] = [
  {
    ...repeatable,
    operation: 'SetSecret',
    name: 'a new secret',
    act: (send) => send('PUT', '/secrets/new', { value: VALUE_MARK }),
  },
  {
    ...repeatable,
    operation: 'SetSecret',
    name: 'a new version',
    act: (send) => send('PUT', '/secrets/one', { value: VALUE_MARK, contentType: 'text/plain' }),
  },
  { ...reading, operation: 'GetSecret', name: 'the current version', act: (send) => send('GET', '/secrets/one') },
  {
    ...reading,
    operation: 'GetSecret',
    name: 'an older version',
    act: (send, older) => send('GET', `/secrets/one/${older}`),
  },
  {
    ...repeatable,
    operation: 'UpdateSecret',
    name: 'the current version',
    act: (send) => send('PATCH', '/secrets/one', { tags: { changed: 'yes' } }),
  },
  {
    ...repeatable,
    operation: 'UpdateSecret',
    name: 'an older version',
    act: (send, older) => send('PATCH', `/secrets/one/${older}`, { attributes: { enabled: false } }),
  },
  { ...reading, operation: 'GetSecrets', name: 'all', act: (send) => send('GET', '/secrets') },
  { ...reading, operation: 'GetSecretVersions', name: 'all', act: (send) => send('GET', '/secrets/one/versions') },
  {
    operation: 'DeleteSecret',
    name: 'with older versions',
    prepare: fill,
    act: (send) => send('DELETE', '/secrets/one'),
    success: 200,
    again: 404,
  },
  { ...reading, operation: 'GetDeletedSecret', name: 'one', act: (send) => send('GET', '/deletedsecrets/gone') },
  { ...reading, operation: 'GetDeletedSecrets', name: 'all', act: (send) => send('GET', '/deletedsecrets') },
  {
    operation: 'RecoverDeletedSecret',
    name: 'with older versions',
    prepare: fill,
    act: (send) => send('POST', '/deletedsecrets/gone/recover'),
    success: 200,
    again: 400,
  },
  {
    operation: 'PurgeDeletedSecret',
    name: 'with older versions',
    prepare: fill,
    act: (send) => send('DELETE', '/deletedsecrets/gone'),
    success: 204,
    again: 404,
  },
  {
    ...reading,
    operation: 'BackupSecret',
    name: 'with older versions',
    act: (send) => send('POST', '/secrets/one/backup'),
  },
  {
    operation: 'RestoreSecret',
    name: 'with older versions',
    async prepare(send) {
      await fill(send)
      const blob = (await send('POST', '/secrets/one/backup')).json.value
      assert.equal((await send('DELETE', '/secrets/one')).status, 200)
      assert.equal((await send('DELETE', '/deletedsecrets/one')).status, 204)
      return blob
    },
    act: (send, blob) => send('POST', '/secrets/restore', { value: blob }),
    success: 200,
    again: 409,
  },
]
