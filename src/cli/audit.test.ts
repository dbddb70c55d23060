import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditVerification } from '../domain/audit/audit-verification.ts'
import { AUDIT_USAGE, type AuditCommandDependencies, runAuditCommand } from './audit.ts'

const intact: AuditVerification = {
  isIntact: true,
  files: 1,
  records: 3,
  streams: [{ stream: 'node-1', files: 1, records: 3, lastSequence: 3, anchoredSequence: 2, findings: 0 }],
  findings: [],
  findingsLeftOff: 0,
  notes: [],
  notesLeftOff: 0,
}

const damaged: AuditVerification = {
  ...intact,
  isIntact: false,
  streams: [{ stream: 'node-1', files: 1, records: 3, lastSequence: 3, anchoredSequence: 0, findings: 2 }],
  findings: [{ stream: 'node-1', file: 'a.jsonl', line: 7, kind: 'changed', sentence: 'The line was changed.' }],
  findingsLeftOff: 1,
  notes: [{ stream: 'node-1', sentence: 'Good to know.' }],
}

async function run(args: readonly string[], dependencies: Partial<AuditCommandDependencies> = {}) {
  let out = ''
  let errors = ''
  const exitCode = await runAuditCommand(args, {
    verify: async () => intact,
    tail: async () => [],
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (errors += text) },
    ...dependencies,
  })
  return { exitCode, out, errors }
}

test('an intact log ends with exit code 0 and says so, stream by stream', async () => {
  assert.deepEqual(await run(['verify']), {
    exitCode: 0,
    out:
      'node-1: intact; 3 records in 1 file, the last is 3, anchored up to 2\n' +
      'The audit log is intact: 3 records.\n',
    errors: '',
  })
})

test('findings end with exit code 1 and are listed with their place', async () => {
  const { exitCode, out } = await run(['verify'], { verify: async () => damaged })
  assert.equal(exitCode, 1)
  assert.deepEqual(out.split('\n'), [
    'node-1: 2 findings; 3 records in 1 file, the last is 3, no anchor',
    'Wrong:',
    '  node-1/a.jsonl:7  The line was changed.',
    '  … and 1 more',
    'To know:',
    '  node-1  Good to know.',
    'The audit log is NOT intact: 2 findings.',
    '',
  ])
})

test('the result is one line of JSON when asked for, with the same exit code', async () => {
  const { exitCode, out } = await run(['verify', '--json'], { verify: async () => damaged })
  assert.equal(exitCode, 1)
  assert.equal(out, `${JSON.stringify(damaged)}\n`)
})

test('what was archived is handed on', async () => {
  let asked: ReadonlyMap<string, number> = new Map()
  await run(['verify', '--archived', 'node-1=12', '--archived', 'a=b=3'], {
    verify: async ({ archivedThrough }) => {
      asked = archivedThrough
      return intact
    },
  })
  assert.deepEqual(
    [...asked],
    [
      ['node-1', 12],
      ['a=b', 3],
    ],
  )
})

test('a command that cannot run ends with exit code 2 and one sentence', async () => {
  const cause = new Error('no such file')
  const { exitCode, out, errors } = await run(['verify'], {
    verify: async () => {
      throw new Error('opening the audit key', { cause })
    },
  })
  assert.deepEqual(
    { exitCode, out, errors },
    { exitCode: 2, out: '', errors: 'keyhaven audit: opening the audit key: no such file\n' },
  )
})

test('options that are not understood end with exit code 2', async () => {
  for (const args of [
    ['verify', '--unknown'],
    ['verify', 'extra'],
    ['verify', '--archived', 'node-1'],
    ['verify', '--archived', '=3'],
    ['verify', '--archived', 'node-1=x'],
    ['tail', '-n', 'many'],
    ['tail', '-n', '-3'],
  ]) {
    const { exitCode, errors } = await run(args)
    assert.equal(exitCode, 2, args.join(' '))
    assert.match(errors, /^keyhaven audit: .+\n$/)
  }
  for (const args of [[], ['prove']]) assert.deepEqual(await run(args), { exitCode: 2, out: '', errors: AUDIT_USAGE })
})

test('the tail asks for as many records as said, or for twenty', async () => {
  const asked: number[] = []
  const tail = async (count: number) => {
    asked.push(count)
    return ['{"a":1}', '{"b":2}']
  }
  assert.equal((await run(['tail'], { tail })).out, '{"a":1}\n{"b":2}\n')
  await run(['tail', '-n', '5'], { tail })
  await run(['tail', '-n7'], { tail })
  assert.deepEqual(asked, [20, 5, 7])
})

test('what is shown cannot drive the terminal', async () => {
  const { out } = await run(['tail'], { tail: async () => ['a\u001b[2Jb\u009bc'] })
  assert.equal(out, 'a\\u001b[2Jb\\u009bc\n')
})
