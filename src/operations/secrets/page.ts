import { DEFAULT_PAGE_SIZE } from '../../domain/limits/limits.ts'
import type { SecretVersionMeta } from '../../domain/secrets/secret.ts'
import { type NameKey, parseVersion } from '../../domain/vault-objects/names.ts'
import { refuse } from '../../errors/refusal.ts'
import { decodeSkipToken, encodeSkipToken } from '../../formats/skip-token.ts'
import type { Collection } from '../../ports/store.ts'
import type { VaultContext } from '../contexts.ts'
import type { PageQuery } from './secret-shapes.ts'

const KIND = 'secret'

/**
 * What a page token points at: a name, or with `of` a version of that secret. Refuses tokens that are not of this list.
 */
export function markerOf(query: PageQuery, of?: NameKey): string | undefined {
  if (query.$skiptoken === undefined) return undefined
  const marker = decodeSkipToken(query.$skiptoken)
  const [kind, name = '', version] = marker?.split('/') ?? []
  if (kind === KIND) {
    if (of === undefined && version === undefined) return name
    if (of !== undefined && name === of && parseVersion(version ?? '') !== undefined) return version
  }
  throw refuse('InvalidQuery', { name: '$skiptoken', rule: 'it has to come from a nextLink' })
}

export function pageSizeOf(query: PageQuery): number {
  return query.maxresults ?? DEFAULT_PAGE_SIZE
}

/** The address of the page that starts with this name, or name and version. */
export function linkTo(context: VaultContext, first: string): string {
  return context.nextLink(encodeSkipToken(`${KIND}/${first}`))
}

/** One page of a collection with a record per name. A next page is promised only where there is a further record. */
export async function readPage<M extends SecretVersionMeta>(
  context: VaultContext,
  collection: Collection,
  query: PageQuery,
): Promise<{ items: readonly M[]; nextLink: string | null }> {
  const size = pageSizeOf(query)
  const marker = markerOf(query)
  const prefix = `${context.vault.vaultId}/`
  const records = await context.records.page<M>(collection, {
    prefix,
    limit: size + 1,
    ...(marker === undefined ? {} : { from: prefix + marker }),
  })
  const further = records[size]
  return {
    items: records.slice(0, size).map(({ meta }) => meta),
    nextLink: further === undefined ? null : linkTo(context, further.key.slice(prefix.length)),
  }
}
