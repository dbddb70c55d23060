import type { Caller } from '../identity/caller.ts'
import type { Vault } from '../vaults/vault.ts'

/** `appid=…;oid=…;iss=…`, as refusals name the caller (observed); groups are counted, never listed. */
export function callerText(caller: Caller, { withGroups }: { readonly withGroups: boolean }): string {
  const groups = withGroups && caller.groups.length > 0 ? `numgroups=${caller.groups.length};` : ''
  return `appid=${caller.appid ?? ''};oid=${caller.oid};${groups}iss=${caller.iss}`
}

/** `NAME;location=REGION` */
export function vaultText(vault: Pick<Vault, 'name' | 'location'>): string {
  return `${vault.name};location=${vault.location}`
}
