/**
 * The shape of everything Keyhaven answers. An operation is declared once, in a file named after its published
 * operation id; routing, versions, access, throttling, validation, audit, metrics, OpenAPI and the coverage page are
 * read from the declaration, so none of them can be forgotten: leaving out `permission`, `audit` or `throttle` does
 * not compile.
 */
import type { Static, TObject, TSchema } from 'typebox'
import type { Permission } from '../domain/access/permission.ts'
import type { RefusalName } from '../errors/catalogue.ts'
import type { IdentityContext, ServiceContext, VaultContext } from './contexts.ts'

export type HostKind = 'vault' | 'resourceManager' | 'identity' | 'managedIdentity' | 'service'

/** Which budget a request counts against (reference: limits-and-errors, section 1). */
export type ThrottleClass = 'secretCreate' | 'secretsAndVaults' | 'identity' | 'none'

export interface ContextOf {
  vault: VaultContext
  resourceManager: ServiceContext
  identity: IdentityContext
  managedIdentity: IdentityContext
  service: ServiceContext
}

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'

export interface OperationInput<P extends TObject, Q extends TObject, B extends TSchema | undefined> {
  readonly params: Static<P>
  readonly query: Static<Q>
  readonly body: B extends TSchema ? Static<B> : undefined
}

/** An answer other than `status` with a JSON body. */
export interface DetailedAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface OperationDeclaration<
  H extends HostKind = HostKind,
  P extends TObject = TObject,
  Q extends TObject = TObject,
  B extends TSchema | undefined = TSchema | undefined,
> {
  /** The published operation id; the file is named after it. */
  readonly id: string
  /** One sentence for the OpenAPI document and the coverage page. */
  readonly summary: string
  readonly hosts: readonly H[]
  readonly method: Method
  /** `{name}` is a path segment, `{version?}` one that may be missing or empty. Segments match in any letter case. */
  readonly path: string
  /** First api-version that has it; '7.0' is the oldest we answer, 'any' where the path takes no api-version. */
  readonly since: string
  /** Last api-version that has it. */
  readonly until?: string
  readonly permission: Permission
  readonly audit: { readonly operationName: string }
  readonly throttle: ThrottleClass
  readonly params: P
  readonly query: Q
  readonly body?: B
  /** How the body comes. JSON unless said otherwise; 'none' ignores what is sent. */
  readonly bodyFormat?: 'json' | 'form' | 'none'
  /** MAX_BODY_BYTES unless said otherwise. */
  readonly maxBodyBytes?: number
  /** Schema of the answer; undefined for an answer without a body. */
  readonly answer: TSchema | undefined
  /** 200 unless said otherwise. */
  readonly status?: number
  readonly refusals: readonly RefusalName[]
  handle(context: ContextOf[H], input: OperationInput<P, Q, B>): Promise<unknown>
}

/** An operation as the pipeline sees it: what its input looks like is between its schemas and its handler. */
export interface Operation extends Omit<OperationDeclaration, 'handle'> {
  handle(context: never, input: never): Promise<unknown>
}

export function defineOperation<
  const H extends HostKind,
  P extends TObject,
  Q extends TObject,
  B extends TSchema | undefined = undefined,
>(declaration: OperationDeclaration<H, P, Q, B>): OperationDeclaration<H, P, Q, B> {
  return declaration
}

/** Thrown or returned answers with headers of their own go through this class, so they are told from JSON bodies. */
export class Answer {
  readonly detail: DetailedAnswer
  constructor(detail: DetailedAnswer) {
    this.detail = detail
  }
}
