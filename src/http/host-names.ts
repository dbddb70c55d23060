/**
 * Which service a host name asks for. Vault names are the first label of `NAME.vault.<domain>`; the real service's names
 * are answered too, for clients that come through the proxy; a bare `localhost` or address is the default vault.
 */
import { isIP } from 'node:net'
import { isVaultName } from '../domain/vaults/vault-rules.ts'
import { vaultAudiences } from './steps/authenticate.ts'

export interface HostSettings {
  /** `localhost`, `kv.example.org`: vaults are at NAME.vault.<domain>. */
  readonly domain: string
  readonly defaultVault: string | undefined
  /** This server's own port, for names of its own in headers and tokens. */
  readonly port: number
}

export type HostTarget =
  | {
      readonly kind: 'vault'
      readonly vaultName: string
      readonly baseUrl: string
      readonly resource: string
      /** The real service's name, reached through the proxy. */
      readonly isRealName: boolean
      /** What tokens for this host may name as audience. */
      readonly audiences: readonly string[]
      readonly loginUrl: string
    }
  | { readonly kind: 'identity' | 'resourceManager'; readonly baseUrl: string; readonly loginUrl: string }
  | { readonly kind: 'unknown'; readonly baseUrl: string; readonly loginUrl: string }

const REAL_LOGIN = new Set(['login.microsoftonline.com', 'login.windows.net'])
const REAL_MANAGEMENT = 'management.azure.com'
const REAL_VAULT_SUFFIX = 'vault.azure.net'
const MAX_CACHED_HOSTS = 1_000
/** 253 for a name (RFC 1035, section 2.3.4) with its final dot, and a port. */
const MAX_HOST_CHARACTERS = 260
const MAX_PORT = 65_535

export interface HostNames {
  /** `host` is the Host header as sent. */
  target(host: string | undefined): HostTarget
  readonly loginUrl: string
  readonly managementUrl: string
  /** `.vault.localhost:8443` */
  readonly vaultSuffix: string
  vaultUrl(name: string): string
  /** Whether this server ends connections to this name, for the proxy. */
  owns(hostname: string): boolean
}

export function hostNames({ domain, defaultVault, port }: HostSettings): HostNames {
  const portText = port === 443 ? '' : `:${port}`
  const loginUrl = `https://login.${domain}${portText}`
  const realLoginUrl = 'https://login.microsoftonline.com'
  const vaultParent = `vault.${domain}`
  const cache = new Map<string, HostTarget>()

  function parse(host: string): HostTarget {
    const match =
      host.length > MAX_HOST_CHARACTERS ? null : /^(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::(\d{1,5}))?$/i.exec(host)
    const rawName = match?.[1]
    const askedPort = Number(match?.[2] ?? 443)
    if (match === null || rawName === undefined || askedPort < 1 || askedPort > MAX_PORT) {
      return { kind: 'unknown', baseUrl: loginUrl, loginUrl }
    }
    const name = rawName.toLowerCase().replace(/\.$/, '')
    const ownPort = askedPort === 443 ? '' : `:${askedPort}`
    const baseUrl = `https://${name}${ownPort}`
    const vault = (vaultName: string, parent: string, login: string): HostTarget => ({
      kind: 'vault',
      vaultName,
      baseUrl,
      resource: `https://${parent}${ownPort}`,
      isRealName: parent === REAL_VAULT_SUFFIX,
      audiences: vaultAudiences(`https://${parent}${ownPort}`),
      loginUrl: login,
    })
    const label = (suffix: string) => {
      const first = name.endsWith(`.${suffix}`) ? name.slice(0, -suffix.length - 1) : ''
      // Only what can be a vault gets as far as the store, so made-up names cost nothing and fill no memory.
      return isVaultName(first) ? first : undefined
    }
    const local = label(vaultParent)
    if (local !== undefined) return vault(local, vaultParent, `https://login.${domain}${ownPort}`)
    const real = label(REAL_VAULT_SUFFIX)
    if (real !== undefined) return vault(real, REAL_VAULT_SUFFIX, realLoginUrl)
    if (name === `login.${domain}` || REAL_LOGIN.has(name)) return { kind: 'identity', baseUrl, loginUrl: baseUrl }
    if (name === `management.${domain}`) {
      return { kind: 'resourceManager', baseUrl, loginUrl: `https://login.${domain}${ownPort}` }
    }
    if (name === REAL_MANAGEMENT) return { kind: 'resourceManager', baseUrl, loginUrl: realLoginUrl }
    if (defaultVault !== undefined && (name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0)) {
      // No resource can be a parent of a bare host, so clients here have to switch the verification off anyway.
      return { ...vault(defaultVault, vaultParent, `https://login.${domain}${ownPort}`), baseUrl }
    }
    return { kind: 'unknown', baseUrl, loginUrl }
  }

  return {
    loginUrl,
    managementUrl: `https://management.${domain}${portText}`,
    vaultSuffix: `.${vaultParent}${portText}`,
    vaultUrl: (name) => `https://${name}.${vaultParent}${portText}`,
    target(host) {
      const key = host ?? ''
      const known = cache.get(key)
      if (known !== undefined) return known
      const target = parse(key)
      // Strangers' text that names nothing is not worth remembering, and would push out what is.
      if (target.kind === 'unknown') return target
      if (cache.size >= MAX_CACHED_HOSTS) cache.clear()
      cache.set(key, target)
      return target
    },
    owns: (hostname) => {
      const name = hostname.toLowerCase()
      return name === domain || name.endsWith(`.${domain}`) || name === 'localhost' || parse(name).kind !== 'unknown'
    },
  }
}

/**
 * Whether a Host header, as sent, names this machine and nothing that DNS could give to somebody else: `localhost`, a
 * name below it, or an address. A page of another site reaches a local port by a name of its own (DNS rebinding), which
 * its browser then sends; a request without the header comes from no browser.
 */
export function isLocalHost(host: string | undefined): boolean {
  if (host === undefined) return true
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}
