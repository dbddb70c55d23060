import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { ResolvedApiVersion } from '../../api-versions/api-version.ts'
import { refuse } from '../../errors/refusal.ts'
import type { Operation } from '../../operations/operation.ts'
import type { Query } from '../parse-query.ts'

const compiled = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  const validator = Compile(schema)
  compiled.set(schema, validator)
  return validator
}

/** Compiles everything the table needs, so that the first request of a kind is as quick as the others. */
export function prepareValidation(operations: readonly Operation[]): void {
  for (const { query, body } of operations) {
    validatorOf(query)
    if (body !== undefined) validatorOf(body)
  }
}

/** The declared query parameters, as their types; others are ignored, as the service does. */
export function validateQuery(
  operation: Operation,
  query: Query,
  version: ResolvedApiVersion | undefined,
): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  let isEmpty = true
  for (const [name, schema] of Object.entries(operation.query.properties)) {
    const text = query.get(name)
    if (text === null || version?.ignoresQuery(operation.id, name)) continue
    values[name] = typeOf(schema) === 'integer' && /^-?\d{1,15}$/.test(text) ? Number(text) : text
    isEmpty = false
  }
  if (isEmpty) return values
  const validator = validatorOf(operation.query)
  if (validator.Check(values)) return values
  const [first] = validator.Errors(values)
  const name = (first?.instancePath ?? '').slice(1)
  throw refuse('InvalidQuery', { name, rule: first?.message ?? 'not allowed' })
}

/** No body of the service comes near it; members nobody asks for may be of any form, but not of any depth. */
const MAX_BODY_DEPTH = 100

/** Refuses a body that does not fit its schema, is nested too deeply, or has text that UTF-8 cannot carry. */
export function validateBody(operation: Operation, body: unknown): void {
  if (operation.body === undefined) return
  if (!validatorOf(operation.body).Check(body) || !isWellFormed(body)) throw refuse('InvalidProperty')
}

const typeOf = (schema: TSchema): unknown => ('type' in schema ? schema.type : undefined)

/** A lone surrogate would come back as another character, and a secret has to come back as it was. */
function isWellFormed(value: unknown, depth = 0): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  if (depth === MAX_BODY_DEPTH) return false
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member, depth + 1))
}
