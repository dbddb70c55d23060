import { BlockList, isIP } from 'node:net'
import { callerText, vaultText } from '../../domain/access/caller-text.ts'
import type { Caller } from '../../domain/identity/caller.ts'
import type { Vault } from '../../domain/vaults/vault.ts'
import { refuse } from '../../errors/refusal.ts'

const compiled = new WeakMap<Vault, BlockList>()

/** Refuses an address that the vault's firewall does not let in. Rules of address families we can't read let nobody in. */
export function checkNetwork(vault: Vault, address: string, caller: Caller): void {
  const textsOf = () => ({ caller: callerText(caller, { withGroups: false }), vault: vaultText(vault) })
  if (vault.publicNetworkAccess === 'Disabled') throw refuse('ForbiddenByConnection', textsOf())
  if (vault.networkAcls.defaultAction === 'Allow') return
  // A link-local address comes with the name of an interface, which no rule has.
  const [bare = ''] = address.split('%')
  const family = isIP(bare) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(bare) !== 0 && rulesOf(vault).check(bare, family)) return
  throw refuse('ForbiddenByFirewall', { ...textsOf(), address })
}

function rulesOf(vault: Vault): BlockList {
  const known = compiled.get(vault)
  if (known !== undefined) return known
  const rules = new BlockList()
  for (const rule of vault.networkAcls.ipRules) {
    const range = rangeOf(rule)
    if (range !== undefined) rules.addSubnet(range.address, range.bits, range.family)
  }
  compiled.set(vault, rules)
  return rules
}

/** An address or a CIDR range; undefined for anything else, `10.0.0.1/` too, which is not meant to be everybody. */
function rangeOf(rule: string) {
  const [address = '', prefix, ...more] = rule.split('/')
  const version = isIP(address)
  const mostBits = version === 6 ? 128 : 32
  const bits = prefix === undefined ? mostBits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (version === 0 || more.length > 0 || !(bits <= mostBits)) return undefined
  return { address, bits, family: version === 6 ? ('ipv6' as const) : ('ipv4' as const) }
}
