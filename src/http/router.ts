/** Finds the operation of a request in the table, host by host. Paths match in any letter case. */
import findMyWay from 'find-my-way'
import type { HostKind, Method, Operation } from '../operations/operation.ts'

export type RouteResult =
  | { readonly kind: 'found'; readonly operation: Operation; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'methodNotAllowed'; readonly allowed: readonly Method[] }
  | { readonly kind: 'notFound' }

export interface Router {
  find(host: HostKind, method: string, path: string): RouteResult
}

const METHODS: readonly Method[] = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE']

export function createRouter(operations: readonly Operation[]): Router {
  const routers = new Map<HostKind, findMyWay.Instance<findMyWay.HTTPVersion.V1>>()
  const byHandler = new Map<unknown, Operation>()
  for (const operation of operations) {
    for (const host of operation.hosts) {
      const router = routers.get(host) ?? newRouter()
      routers.set(host, router)
      for (const path of concretePaths(operation.path)) {
        // find-my-way wants a handler; ours only marks which operation was found.
        const mark = () => undefined
        byHandler.set(mark, operation)
        router.on(operation.method, path, mark)
      }
    }
  }
  return {
    find(host, method, path) {
      const router = routers.get(host)
      if (router === undefined) return { kind: 'notFound' }
      const found = isMethod(method) ? router.find(method, path) : null
      const operation = found === null ? undefined : byHandler.get(found.handler)
      if (found !== null && operation !== undefined) {
        return { kind: 'found', operation, params: found.params as Record<string, string> }
      }
      const allowed = METHODS.filter((other) => router.find(other, path) !== null)
      return allowed.length > 0 ? { kind: 'methodNotAllowed', allowed } : { kind: 'notFound' }
    },
  }
}

const newRouter = () =>
  findMyWay({ caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true, maxParamLength: 1024 })

const isMethod = (method: string): method is Method => (METHODS as readonly string[]).includes(method)

/** `/secrets/{name}/{version?}` becomes `/secrets/:name` and `/secrets/:name/:version`. */
function concretePaths(path: string): readonly string[] {
  const withAll = path.replaceAll(/\{(\w+)\??\}/g, ':$1')
  if (!path.endsWith('?}')) return [withAll]
  return [withAll, withAll.slice(0, withAll.lastIndexOf('/'))]
}
