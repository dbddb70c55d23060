/** An installation in memory with a clock that is moved by hand, and the login operations called as the pipeline does. */
import { createMemoryStore } from '../../../src/adapters/storage/memory/memory-store.ts'
import type { Tenant } from '../../../src/domain/identity/tenant.ts'
import { unixSecondsOf } from '../../../src/domain/vault-objects/times.ts'
import { createTenant } from '../../../src/flows/identity-administration.ts'
import { type CreatedApplication, createApplication } from '../../../src/flows/identity-applications.ts'
import { TokenAuthority, type TokenAuthoritySettings } from '../../../src/flows/token-authority.ts'
import type { IdentityContext } from '../../../src/operations/contexts.ts'
import { getAppServiceToken } from '../../../src/operations/identity/get-app-service-token.ts'
import { getImdsToken } from '../../../src/operations/identity/get-imds-token.ts'
import { requestToken } from '../../../src/operations/identity/request-token.ts'
import { requestTokenV2 } from '../../../src/operations/identity/request-token-v2.ts'
import { Answer } from '../../../src/operations/operation.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { IssuerKeys } from '../../../src/ports/issuer-keys.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import type { RootKeyProvider } from '../../../src/ports/root-key.ts'
import type { Store } from '../../../src/ports/store.ts'
import { Keyrings } from '../../../src/sealing/keyrings.ts'
import { sealedRecords } from '../../../src/sealing/sealed-records.ts'
import { INSTALLATION_KEYRING, type SealedRecords } from '../../../src/sealing/sealed-store.ts'

export const AUTHORITY_URL = 'https://login.test:8443'
export const VAULT_RESOURCE = 'https://vault.test:8443'
export const START_MS = Date.UTC(2027, 0, 15, 12)
export const DAY_MS = 86_400_000

export interface MovableClock extends Clock {
  move(ms: number): void
}

export function movableClock(startMs = START_MS): MovableClock {
  let nowMs = startMs
  return {
    nowMs: () => nowMs,
    after: () => () => undefined,
    move(ms) {
      nowMs += ms
    },
  }
}

const NO_KEYS: IssuerKeys = { lookUp: () => ({ kind: 'unavailable' }) }

/** Wraps nothing: what is tested here is above the root key. */
const openRootKey: RootKeyProvider = {
  kind: 'test',
  keyId: 'test',
  wrap: async (key) => Uint8Array.from(key),
  unwrap: async (wrapped) => Uint8Array.from(wrapped),
  close: async () => undefined,
}

export interface Installation {
  readonly clock: MovableClock
  readonly store: Store
  readonly records: SealedRecords
  readonly tenant: Tenant
  readonly authority: TokenAuthority
  /** Another process of the same installation: what one remembers, the other does not. */
  newAuthority(settings?: Partial<TokenAuthoritySettings>): TokenAuthority
  issuerKeys: Map<string, IssuerKeys>
  parts: { records: SealedRecords; clock: Clock; random: typeof systemRandom }
  createApp(wanted?: Partial<Parameters<typeof createApplication>[1]>): Promise<CreatedApplication>
  context(headers?: Record<string, string>, more?: Partial<IdentityContext>): IdentityContext
}

export async function openInstallation(): Promise<Installation> {
  const clock = movableClock()
  const store = createMemoryStore()
  const keyrings = await Keyrings.open(store, openRootKey, systemRandom)
  await keyrings.ensure(INSTALLATION_KEYRING)
  const records = sealedRecords({ store, keyrings, random: systemRandom, keyring: INSTALLATION_KEYRING })
  const parts = { records, clock, random: systemRandom }
  const tenant = await createTenant(parts, { displayName: 'Test' })
  const issuerKeys = new Map<string, IssuerKeys>()
  const newAuthority = (settings?: Partial<TokenAuthoritySettings>) =>
    new TokenAuthority({
      installation: records,
      clock,
      random: systemRandom,
      settings: { authorityUrl: AUTHORITY_URL, ...settings },
      issuerKeysFor: (issuer) => issuerKeys.get(issuer) ?? NO_KEYS,
      changeToken: () => store.changeToken?.() ?? 0,
    })
  const authority = newAuthority()
  return {
    clock,
    store,
    records,
    tenant,
    authority,
    newAuthority,
    issuerKeys,
    parts,
    createApp: (wanted) => createApplication(parts, { displayName: 'app', tenantId: tenant.tenantId, ...wanted }),
    context: (headers = {}, more = {}) => ({
      baseUrl: AUTHORITY_URL,
      authorityUrl: AUTHORITY_URL,
      now: () => unixSecondsOf(clock.nowMs()),
      random: systemRandom,
      installation: records,
      authority,
      headers,
      clientAddress: '192.0.2.1',
      ...more,
    }),
  }
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Record<string, unknown>
}

export function replyOf(answer: unknown): Reply {
  if (!(answer instanceof Answer)) throw new Error('the handler gave no Answer')
  const { status = 200, headers = {}, body } = answer.detail
  // Through JSON, as on the wire.
  return { status, headers, body: JSON.parse(JSON.stringify(body)) as Record<string, unknown> }
}

export async function postToken(
  context: IdentityContext,
  tenant: string,
  form: Record<string, string>,
  version: 'v1' | 'v2' = 'v2',
): Promise<Reply> {
  const operation = version === 'v2' ? requestTokenV2 : requestToken
  return replyOf(await operation.handle(context, { params: { tenant }, query: {}, body: form }))
}

/** A client-credentials request with a secret, as the SDKs send it. */
export function secretForm(app: CreatedApplication, more: Record<string, string> = {}): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_id: app.clientId,
    client_secret: app.clientSecret ?? '',
    scope: `${VAULT_RESOURCE}/.default`,
    ...more,
  }
}

export async function getManagedToken(
  form: 'appService' | 'imds',
  context: IdentityContext,
  query: Record<string, string>,
): Promise<Reply> {
  const operation = form === 'imds' ? getImdsToken : getAppServiceToken
  return replyOf(await operation.handle(context, { params: {}, query, body: undefined }))
}

/** The claims and header of a token, unchecked. */
export function partsOf(token: unknown): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header = '', claims = ''] = String(token).split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>
  return { header: read(header), claims: read(claims) }
}
