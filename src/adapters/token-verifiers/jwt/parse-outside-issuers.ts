import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { type OutsideIssuerSettings, outsideIssuerSettings } from './settings.ts'

const validator = Compile(Type.Array(outsideIssuerSettings))

/** The trusted issuers of a JSON file. Throws with the place of the first mistake. */
export function parseOutsideIssuers(text: string): readonly OutsideIssuerSettings[] {
  let issuers: unknown
  try {
    issuers = JSON.parse(text)
  } catch (cause) {
    throw new Error('the file of trusted issuers is not well-formed JSON', { cause })
  }
  if (validator.Check(issuers)) return issuers
  const [first] = validator.Errors(issuers)
  throw new Error(`the file of trusted issuers is wrong at ${first?.instancePath || 'its top'}: ${first?.message}`)
}
