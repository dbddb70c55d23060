import { catalogue, type RefusalName, type RefusalParameters } from './catalogue.ts'

/** What a client is told. */
export interface PublicRefusal {
  readonly status: number
  readonly code: string
  readonly innerCode?: string
  readonly message: string
}

/**
 * An expected refusal. The public part is all that can be rendered; the internal part (the cause) is of another type
 * and goes to the log only.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly refusalName: RefusalName
  readonly public: PublicRefusal
  constructor(refusalName: RefusalName, publicPart: PublicRefusal, cause?: unknown) {
    super(`${refusalName}: ${publicPart.message}`, cause === undefined ? undefined : { cause })
    this.refusalName = refusalName
    this.public = publicPart
  }
}

/** `throw refuse('SecretNotFound', { name })`: the one way to refuse. The sentence comes from the catalogue. */
export function refuse<N extends RefusalName>(
  name: N,
  ...[parameters, cause]: RefusalParameters<N> extends undefined
    ? [parameters?: undefined, cause?: unknown]
    : [parameters: RefusalParameters<N>, cause?: unknown]
): Refusal {
  const entry = catalogue[name]
  const message =
    typeof entry.message === 'string' ? entry.message : (entry.message as (p: unknown) => string)(parameters)
  return new Refusal(
    name,
    {
      status: entry.status,
      code: entry.code,
      ...('innerCode' in entry ? { innerCode: entry.innerCode } : {}),
      message,
    },
    cause,
  )
}
