/** What an installation may say about token issuers other than its own authority. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

const claimName = Type.String({ minLength: 1, maxLength: 128 })

export const outsideIssuerSettings = Type.Object(
  {
    issuer: Type.String({
      minLength: 1,
      maxLength: 512,
      description:
        'The `iss` of its tokens, compared letter by letter. Also where its discovery document is looked for.',
    }),
    tenantId: Type.String({
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
      description: 'The tenant its callers belong to. The issuer can name any principal of that tenant.',
    }),
    jwksUri: Type.Optional(Type.String({ description: 'Where its keys are, when it has no discovery document.' })),
    jwksFile: Type.Optional(Type.String({ description: 'A file with its keys, for issuers that cannot be reached.' })),
    audiences: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'Audiences its tokens carry, in place of the addresses of the vault.',
      }),
    ),
    claimMapping: Type.Optional(
      Type.Object(
        {
          oid: Type.Optional(claimName),
          appid: Type.Optional(claimName),
          groups: Type.Optional(claimName),
          upn: Type.Optional(claimName),
        },
        {
          additionalProperties: false,
          description: 'Claims to read instead of the usual ones, for example {"oid":"sub"}.',
        },
      ),
    ),
  },
  { additionalProperties: false },
)

export type OutsideIssuerSettings = Static<typeof outsideIssuerSettings>

const outsideIssuerList = Compile(Type.Array(outsideIssuerSettings))

/** Reads the text of the trusted-issuers file: a JSON array. Throws a sentence that says which member is not right. */
export function parseOutsideIssuers(text: string): readonly OutsideIssuerSettings[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Error('the list of trusted issuers is not JSON', { cause })
  }
  if (outsideIssuerList.Check(value)) return value
  const [first] = outsideIssuerList.Errors(value)
  throw new Error(`the list of trusted issuers is not right at ${first?.instancePath || '/'}: ${first?.message ?? ''}`)
}

/** A key set is read again after this, so a withdrawn key ends at the latest then. */
export const KEY_SET_FRESH_MS = 600_000
/** While an issuer does not answer, its last keys count for this long. */
export const KEY_SET_STALE_MS = 86_400_000
/** An issuer is asked at most this often, whatever keys tokens name and however often it fails. */
export const KEY_SET_COOL_DOWN_MS = 30_000
export const KEY_DOCUMENT_TIMEOUT_MS = 5_000
export const MAX_KEY_DOCUMENT_BYTES = 256 * 1024
export const MAX_KEYS_PER_ISSUER = 100
/** Issuers of federated credentials whose keys are remembered; the least recently used go first. */
export const MAX_FEDERATED_ISSUERS = 200
/** Tokens whose signature need not be checked again; about 1 KiB each. */
export const MAX_CACHED_TOKENS = 10_000
