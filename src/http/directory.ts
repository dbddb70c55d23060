/**
 * Vaults and role assignments as request handling needs them, read once and kept until the store says that something
 * of the kind changed. There is no time during which an old grant is still believed: the mark is checked at every
 * request.
 */
import { builtInRoles, type RoleDefinition } from '../domain/access/built-in-roles.ts'
import type { RoleAssignment } from '../domain/access/decide.ts'
import { type Vault, vaultScope } from '../domain/vaults/vault.ts'
import type { Store } from '../ports/store.ts'
import { DIRECTORY_MARK } from '../sealing/sealed-records.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'

export interface VaultEntry {
  readonly vault: Vault
  /** Lower-case ARM id. */
  readonly scope: string
  /** Assignments at the vault, above it and below it, by lower-case principal id. */
  readonly assignments: ReadonlyMap<string, readonly RoleAssignment[]>
  readonly roleOf: (id: string) => RoleDefinition | undefined
}

const MAX_CACHED_VAULTS = 10_000
const ASSIGNMENTS_PER_READ = 500

export interface Directory {
  /** The vault of this name, in any case. Synchronous when nothing has to be read. */
  vault(name: string): VaultEntry | undefined | Promise<VaultEntry | undefined>
}

export function createDirectory(store: Store, installation: SealedRecords): Directory {
  const entries = new Map<string, VaultEntry>()
  let seenToken: number | undefined
  let seenRevision: number | undefined

  /** The look at the mark that is under way; requests of the same turn share it. */
  let checking: { readonly token: number; readonly done: Promise<void> } | undefined

  /** Forgets what is remembered when something of the directory changed since it was read. */
  function checkMark(token: number | undefined): Promise<void> {
    if (token === undefined) return readMark(token)
    if (checking?.token === token) return checking.done
    const done = readMark(token)
    checking = { token, done }
    done.catch(() => {
      // The next request looks again; those that share this look are told by the promise itself.
      if (checking?.done === done) checking = undefined
    })
    return done
  }

  async function readMark(token: number | undefined): Promise<void> {
    const revision = (await store.read('meta', DIRECTORY_MARK))?.revision ?? 0
    if (revision !== seenRevision) {
      entries.clear()
      seenRevision = revision
    }
    seenToken = token
  }

  async function load(name: string): Promise<VaultEntry | undefined> {
    const key = name.toLowerCase()
    const cached = entries.get(key)
    if (cached !== undefined) return cached
    const revisionBefore = seenRevision
    const entry = await read(key)
    // Names of no vault are not kept: whoever makes them up would push out the vaults there are.
    if (entry === undefined) return undefined
    // Something may have changed while it was read; then it is used once and not kept.
    if (((await store.read('meta', DIRECTORY_MARK))?.revision ?? 0) === revisionBefore) {
      if (entries.size >= MAX_CACHED_VAULTS) entries.clear()
      entries.set(key, entry)
    }
    return entry
  }

  async function read(key: string): Promise<VaultEntry | undefined> {
    const pointer = await installation.read<{ vaultId: string }>('vaultNames', key)
    if (pointer === undefined) return undefined
    const record = await installation.read<Vault>('vaults', pointer.meta.vaultId)
    if (record === undefined) return undefined
    const vault = record.meta
    const scope = vaultScope(vault)
    const assignments = new Map<string, RoleAssignment[]>()
    const prefixes = [...ancestors(scope).map((ancestor) => `${ancestor}\n`), `${scope}/`]
    for (const prefix of prefixes) {
      let after: string | undefined
      for (;;) {
        const page = await installation.page<RoleAssignment>('roleAssignments', {
          prefix,
          limit: ASSIGNMENTS_PER_READ,
          ...(after === undefined ? {} : { after }),
        })
        for (const { meta } of page) {
          const principal = meta.principalId.toLowerCase()
          const list = assignments.get(principal) ?? []
          list.push(meta)
          assignments.set(principal, list)
        }
        after = page.at(-1)?.key
        if (page.length < ASSIGNMENTS_PER_READ) break
      }
    }
    const custom = new Map<string, RoleDefinition>()
    for (const { meta } of await installation.page<RoleDefinition>('roleDefinitions', { prefix: '', limit: 5_000 })) {
      custom.set(meta.id, meta)
    }
    return { vault, scope, assignments, roleOf: (id) => builtInRoles.get(id) ?? custom.get(id) }
  }

  return {
    vault(name) {
      const token = store.changeToken?.()
      if (token !== undefined && token === seenToken) {
        const cached = entries.get(name)
        if (cached !== undefined) return cached
        return load(name)
      }
      return checkMark(token).then(() => load(name))
    },
  }
}

/** The scope itself and everything above it, '/' included; assignments are stored under `SCOPE\nID`. */
export function ancestors(scope: string): readonly string[] {
  const segments = scope.split('/').slice(1)
  const found = ['/']
  // /subscriptions/S, /subscriptions/S/resourcegroups/G, …/providers/microsoft.keyvault/vaults/V
  for (const length of [2, 4, 8]) if (segments.length >= length) found.push(`/${segments.slice(0, length).join('/')}`)
  return found
}
