import { BlockList, isIP } from 'node:net'
import { callerText, vaultText } from '../../domain/access/caller-text.ts'
import type { Caller } from '../../domain/identity/caller.ts'
import type { Vault } from '../../domain/vaults/vault.ts'
import { refuse } from '../../errors/refusal.ts'

const compiled = new WeakMap<Vault, BlockList>()

/** Refuses an address that the vault's firewall does not let in. Rules of address families we can't read let nobody in. */
export function checkNetwork(vault: Vault, address: string, caller: Caller): void {
  const texts = { caller: callerText(caller, { withGroups: false }), vault: vaultText(vault) }
  if (vault.publicNetworkAccess === 'Disabled') throw refuse('ForbiddenByConnection', texts)
  if (vault.networkAcls.defaultAction === 'Allow') return
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(address) !== 0 && rulesOf(vault).check(address, family)) return
  throw refuse('ForbiddenByFirewall', { ...texts, address })
}

function rulesOf(vault: Vault): BlockList {
  const known = compiled.get(vault)
  if (known !== undefined) return known
  const rules = new BlockList()
  for (const rule of vault.networkAcls.ipRules) {
    const [address = '', prefix] = rule.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const bits = prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix)
    if (isIP(address) !== 0 && Number.isInteger(bits)) rules.addSubnet(address, bits, family)
  }
  compiled.set(vault, rules)
  return rules
}
