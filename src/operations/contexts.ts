/** What a handler gets to see. A handler given the whole app could reach the whole app, so each host has its own. */
import type { Caller } from '../domain/identity/caller.ts'
import type { UnixSeconds } from '../domain/vault-objects/times.ts'
import type { Vault } from '../domain/vaults/vault.ts'
import type { Random } from '../ports/random.ts'
import type { BackupSealer } from '../sealing/backup-blob.ts'
import type { SealedRecords } from '../sealing/sealed-store.ts'

interface AnyContext {
  /** `https://NAME.vault.localhost:8443`, as the client wrote it, without default port or trailing slash. */
  readonly baseUrl: string
  readonly now: () => UnixSeconds
  readonly random: Random
}

export interface VaultContext extends AnyContext {
  readonly vault: Vault
  readonly caller: Caller
  /** Records of this vault, under its own key. */
  readonly records: SealedRecords
  readonly backups: BackupSealer
  /** How long a deletion or recovery stays unfinished to clients, in seconds; 0 by default. */
  readonly softDeleteLatencySeconds: number
  /** The absolute address of the next page of this list; `marker` names its first item. */
  nextLink(marker: string): string
}

/** Plain parts of a request that the OAuth endpoints need beside their declared input. */
export interface IdentityContext extends AnyContext {
  /** `https://login.localhost:8443`: what this server calls itself in tokens. */
  readonly authorityUrl: string
  readonly installation: SealedRecords
  readonly authority: import('../flows/token-authority.ts').TokenAuthority
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly clientAddress: string
}

export interface ServiceContext extends AnyContext {
  readonly caller?: Caller
  readonly installation: SealedRecords
  readonly authorityUrl: string
  readonly managementUrl: string
  readonly vaultSuffix: string
}
