import type { ApiVersion } from './api-version.ts'
import { without } from './without.ts'

/** 7.0 and before: attributes have no `recoverableDays` (observed, section 17). */
export const v7_0: ApiVersion = {
  version: '7.0',
  down(_operationId, answer) {
    if (isList(answer)) return { ...answer, value: answer.value.map(withoutRecoverableDays) }
    return withoutRecoverableDays(answer)
  },
}

const isList = (answer: unknown): answer is { readonly value: readonly unknown[] } =>
  typeof answer === 'object' && answer !== null && 'value' in answer && Array.isArray(answer.value)

function withoutRecoverableDays(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || !('attributes' in item)) return item
  return { ...item, attributes: without(item.attributes, 'recoverableDays') }
}
