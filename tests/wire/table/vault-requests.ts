/** Turns each declaration of the table into requests, so that an operation added to it is tested without being named here. */
import type { TSchema } from 'typebox'
import type { Permission } from '../../../src/domain/access/permission.ts'
import { operations } from '../../../src/operations/index.ts'
import type { Operation } from '../../../src/operations/operation.ts'

export type VaultObjectPermission = Extract<Permission, { kind: 'vaultObject' }>

export interface VaultOperation {
  readonly id: string
  readonly method: string
  /** With a name in place of `{name}`, without optional segments. */
  readonly path: string
  /** The same path with a name that breaks the rules; undefined where the path has none. */
  readonly pathOfBadName: string | undefined
  /** Undefined where the operation reads no body. */
  readonly body: unknown
  readonly permission: VaultObjectPermission
  /** What an assignment has to be at or above; below the vault's scope, in lower case. */
  readonly resourceBelowVault: string
  readonly auditName: string
  readonly throttle: Operation['throttle']
  /** Every method that some operation has at this path, also where that one takes a word of it for a name. */
  readonly pathMethods: readonly string[]
}

export const OBJECT_NAME = 'Table-Name'

/** A text for every body; it must not be seen anywhere but in an answer. */
export const CANARY = 'canary-5f1c0a-value'

const isGuarded = (operation: Operation): operation is Operation & { permission: VaultObjectPermission } =>
  operation.permission.kind === 'vaultObject'

const onVaults = operations.filter(({ hosts }) => hosts.includes('vault'))

/** Every operation of vaults that asks for a permission. */
export const vaultOperations: readonly VaultOperation[] = onVaults.filter(isGuarded).map((operation) => {
  const { id, method, path, permission, audit, throttle, body, bodyFormat } = operation
  const concrete = concretePath(path, OBJECT_NAME)
  const isOnObject = permission.scope === 'object'
  return {
    id,
    method,
    path: concrete,
    pathOfBadName: path.includes('{name}') ? concretePath(path, 'a_b') : undefined,
    body: body === undefined || bodyFormat === 'none' ? undefined : sampleOf(body, id),
    permission,
    resourceBelowVault: isOnObject ? `/${permission.category}/${OBJECT_NAME.toLowerCase()}` : '',
    auditName: audit.operationName,
    throttle,
    pathMethods: onVaults.filter((other) => isPathOf(other, concrete)).map((other) => other.method),
  }
})

function concretePath(path: string, name: string): string {
  return path.replaceAll(/\/\{\w+\?\}/g, '').replaceAll('{name}', name)
}

function isPathOf({ path }: Operation, concrete: string): boolean {
  const pattern = path.replaceAll(/\/\{\w+\?\}/g, '(/[^/]+)?').replaceAll(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${pattern}$`, 'i').test(concrete)
}

/** The smallest body that fits: every required member, texts only. */
function sampleOf(schema: TSchema, id: string): Record<string, string> {
  const { properties = {}, required = [] } = schema as {
    properties?: Record<string, { type?: unknown }>
    required?: string[]
  }
  return Object.fromEntries(
    required.map((name) => {
      if (properties[name]?.type !== 'string') throw new Error(`${id} needs a sample of its body's member ${name} here`)
      return [name, CANARY]
    }),
  )
}
