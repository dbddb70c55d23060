/**
 * Which service a host name asks for. Vault names are the first label of `NAME.vault.<domain>`; the real service's names
 * are answered too, for clients that come through the proxy; a bare `localhost` or address is the default vault.
 */
import { isIP } from 'node:net'

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
      readonly loginUrl: string
    }
  | { readonly kind: 'identity' | 'resourceManager'; readonly baseUrl: string; readonly loginUrl: string }
  | { readonly kind: 'unknown'; readonly baseUrl: string; readonly loginUrl: string }

const REAL_LOGIN = new Set(['login.microsoftonline.com', 'login.windows.net'])
const REAL_MANAGEMENT = 'management.azure.com'
const REAL_VAULT_SUFFIX = 'vault.azure.net'
const MAX_CACHED_HOSTS = 1_000

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
    const match = /^(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::(\d{1,5}))?$/i.exec(host)
    const rawName = match?.[1]
    if (match === null || rawName === undefined) return { kind: 'unknown', baseUrl: loginUrl, loginUrl }
    const name = rawName.toLowerCase().replace(/\.$/, '')
    const ownPort = match[2] === undefined || match[2] === '443' ? '' : `:${match[2]}`
    const baseUrl = `https://${name}${ownPort}`
    const vault = (vaultName: string, parent: string, login: string): HostTarget => ({
      kind: 'vault',
      vaultName,
      baseUrl,
      resource: `https://${parent}${ownPort}`,
      loginUrl: login,
    })
    const label = (suffix: string) => {
      const first = name.endsWith(`.${suffix}`) ? name.slice(0, -suffix.length - 1) : ''
      return first !== '' && !first.includes('.') ? first : undefined
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
