/** The pages of docs/generated, from the table of operations, the error catalogue and the settings. */
import { environmentNameOf, type SettingDeclaration, settingDeclarations } from '../src/config/settings.ts'
import { catalogue } from '../src/errors/catalogue.ts'
import { openApiOf } from '../src/http/openapi.ts'
import { operations } from '../src/operations/index.ts'
import { publishedOperations } from './published-operations.ts'

export function generatedDocs(): Readonly<Record<string, string>> {
  return {
    'coverage.md': coverage(),
    'errors.md': errors(),
    'settings.md': settings(),
    'openapi.json': `${JSON.stringify(openApiOf(operations), null, 2)}\n`,
  }
}

function coverage(): string {
  const ours = new Map(operations.map((operation) => [operation.id, operation]))
  const lines = [
    '# Operation coverage',
    '',
    'Every operation of the published API descriptions (data plane 2026-04-01, management plane 2026-02-01), and what',
    'answers it. Generated from the table of operations; `npm run docs` writes it.',
    '',
  ]
  for (const [area, ids] of Object.entries(publishedOperations)) {
    const done = ids.filter((id) => ours.has(id))
    lines.push(`## ${area}: ${done.length} of ${ids.length}`, '')
    if (done.length > 0) {
      lines.push('| operation | request | access policy | data action | audit |', '| --- | --- | --- | --- | --- |')
      for (const id of done) {
        const operation = ours.get(id)
        if (operation === undefined) continue
        const { permission } = operation
        const [policy, action] =
          permission.kind === 'vaultObject'
            ? [`${permission.category} ${permission.accessPolicy}`, permission.dataAction]
            : [permission.kind, permission.kind]
        lines.push(
          `| ${id} | \`${operation.method} ${operation.path}\` | ${policy} | ${action} | ${operation.audit.operationName} |`,
        )
      }
      lines.push('')
    }
    const missing = ids.filter((id) => !ours.has(id))
    if (missing.length > 0) lines.push(`Not yet: ${missing.join(', ')}`, '')
  }
  const published = new Set(Object.values(publishedOperations).flat())
  lines.push(
    '## Beside the published API',
    '',
    '| operation | host | request | what it does |',
    '| --- | --- | --- | --- |',
  )
  for (const operation of operations) {
    if (published.has(operation.id)) continue
    lines.push(
      `| ${operation.id} | ${operation.hosts.join(', ')} | \`${operation.method} ${operation.path}\` | ${operation.summary} |`,
    )
  }
  return `${lines.join('\n')}\n`
}

const SAMPLE: Readonly<Record<string, unknown>> = {
  kind: 'secret',
  name: 'NAME',
  expected: ['EXPECTED'],
  found: 'FOUND',
  caller: 'appid=…;oid=…;iss=…',
  vault: 'NAME;location=REGION',
  category: 'secrets',
  permission: 'PERMISSION',
  action: 'ACTION',
  resource: 'RESOURCE',
  address: 'ADDRESS',
  method: 'METHOD',
  apiVersion: 'VERSION',
  maxBytes: 'N',
  max: 'N',
  rule: 'RULE',
  claim: 'CLAIM',
  id: 'ID',
}

function errors(): string {
  const lines = [
    '# Errors',
    '',
    'Every refusal a client can get on vault hosts, from `src/errors/catalogue.ts`. "observed": the real service was seen',
    'to say exactly this; "documented": its documentation does; "ours": nothing is known of the real sentence.',
    '',
    '| refusal | status | code | inner code | message | origin |',
    '| --- | --- | --- | --- | --- | --- |',
  ]
  for (const [name, entry] of Object.entries(catalogue)) {
    const message =
      typeof entry.message === 'string'
        ? entry.message
        : (entry.message as (sample: unknown) => string)(sampleFor(name))
    const shown = JSON.stringify(message).slice(1, -1).replaceAll('|', '\\|')
    const inner = 'innerCode' in entry ? entry.innerCode : ''
    lines.push(`| ${name} | ${entry.status} | ${entry.code} | ${inner} | ${shown} | ${entry.origin} |`)
  }
  return `${lines.join('\n')}\n`
}

/** `expected` is one audience or several issuers. */
const sampleFor = (name: string) => (name === 'TokenWrongAudience' ? { ...SAMPLE, expected: 'EXPECTED' } : SAMPLE)

function settings(): string {
  const lines = [
    '# Settings',
    '',
    'Flags win over environment variables, variables over the defaults. "required": `keyhaven serve` refuses to start',
    'without it.',
    '',
    '| flag | variable | `dev` | `serve` | what it does |',
    '| --- | --- | --- | --- | --- |',
  ]
  for (const declaration of Object.values(settingDeclarations) as SettingDeclaration<unknown>[]) {
    const { flag, summary, development, production, choices, min, max } = declaration
    const range = choices !== undefined ? choices.join(', ') : min !== undefined ? `${min} to ${max}` : ''
    lines.push(
      `| \`--${flag}\` | \`${environmentNameOf(flag)}\` | ${shown(development)} | ${shown(production)} | ${summary}${range === '' ? '' : ` (${range})`} |`,
    )
  }
  return `${lines.join('\n')}\n`
}

function shown(value: unknown): string {
  return value === '' || (Array.isArray(value) && value.length === 0) ? 'none' : String(value)
}
