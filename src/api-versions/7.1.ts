import type { ApiVersion } from './api-version.ts'
import { without } from './without.ts'

const WITH_PREVIOUS_VERSION = new Set(['GetSecret', 'GetDeletedSecret', 'DeleteSecret', 'RecoverDeletedSecret'])

/** 7.1 to 7.6: certificate-backed secrets are not converted and do not tell the version before them. */
export const v7_1: ApiVersion = {
  version: '7.1',
  down: (operationId, answer) => (WITH_PREVIOUS_VERSION.has(operationId) ? without(answer, 'previousVersion') : answer),
  ignoredQuery: { GetSecret: ['outContentType'] },
}
