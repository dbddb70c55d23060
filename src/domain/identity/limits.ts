/** Every bound of identities and tokens, with its unit and its reason. */

/** A signed token of ours is under 1 KiB plus 39 bytes a group; nothing honest comes near this. Characters. */
export const MAX_TOKEN_CHARACTERS = 16 * 1024

/**
 * How far the clocks of issuer and server may differ, both ways. Five minutes is what the real service's token library
 * uses unless told otherwise, so a token it takes is taken here.
 */
export const CLOCK_SKEW_SECONDS = 300

export const DEFAULT_TOKEN_LIFETIME_SECONDS = 3599
/** The real managed identity endpoints give tokens of a day. */
export const DEFAULT_MANAGED_IDENTITY_TOKEN_LIFETIME_SECONDS = 86_399
/** Old signing keys stay published for this long, so no setting may go beyond it. */
export const MAX_TOKEN_LIFETIME_SECONDS = 86_400

/** A user's sign-in ends this long after the password was given, however often it was refreshed. */
export const REFRESH_TOKEN_LIFETIME_SECONDS = 7 * 86_400

export const SIGNING_KEY_BITS = 2048
export const DEFAULT_SIGNING_KEY_DAYS = 45
/** A new key is published this long before it signs, which is longer than published keys may be cached. */
export const SIGNING_KEY_LEAD_SECONDS = 86_400
/** How long a published key set may be cached by those who read it. */
export const KEY_SET_MAX_AGE_SECONDS = 3600
/** An old key stays published until nothing it signed can count any more. */
export const SIGNING_KEY_RETIREMENT_SECONDS = MAX_TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS
/** Changes to the signing keys made by another process are noticed at the latest after this. */
export const SIGNING_KEYS_REREAD_MS = 1000

/** The longest time a client assertion may still be good for. */
export const MAX_ASSERTION_LIFETIME_SECONDS = 86_400
/** Assertions remembered for one application; an application that outruns this has to wait for old ones to expire. */
export const MAX_REMEMBERED_ASSERTIONS_PER_APPLICATION = 1000

export const MAX_SECRETS_PER_APPLICATION = 20
/** Each user-chosen secret costs a slow hash per attempt. */
export const MAX_CHOSEN_SECRETS_PER_APPLICATION = 2
export const MAX_CERTIFICATES_PER_APPLICATION = 20
export const MAX_FEDERATED_CREDENTIALS_PER_APPLICATION = 20
export const MIN_CHOSEN_SECRET_CHARACTERS = 16
export const MIN_PASSWORD_CHARACTERS = 8
/** A longer secret or password is refused before it is hashed. */
export const MAX_SECRET_CHARACTERS = 512
export const DEFAULT_SECRET_DAYS = 365
export const MAX_SECRET_DAYS = 730

/** Slow hashes under way at once: they share a thread pool with signature checks. */
export const MAX_SLOW_HASHES_AT_ONCE = 2
/** Slow hashes waiting; beyond this the client is told to come back. */
export const MAX_SLOW_HASHES_WAITING = 32

/** Wrong credentials from one address for one subject before the subject is blocked for that address. */
export const MAX_FAILURES_PER_ADDRESS = 10
/** One of those failures is forgiven after this long. */
export const FAILURE_PER_ADDRESS_FORGIVEN_MS = 60_000
/** Wrong credentials for one subject from everywhere before addresses it never signed in from are blocked. */
export const MAX_FAILURES_PER_SUBJECT = 100
export const FAILURE_PER_SUBJECT_FORGIVEN_MS = 6_000
/** An address a subject signed in from stays known to it for this long. */
export const KNOWN_ADDRESS_MS = 30 * 86_400_000
/** Entries each of the three memories above may hold; the least recently used go first. */
export const MAX_ATTEMPT_ENTRIES = 10_000

export const MAX_GROUP_NESTING = 8
/** The real service puts at most this many groups into a token. */
export const MAX_GROUPS_PER_TOKEN = 200
export const MAX_GROUPS = 5000
export const MAX_MEMBERS_PER_GROUP = 10_000

export const MAX_DISPLAY_NAME_CHARACTERS = 120
export const MAX_RESOURCE_CHARACTERS = 1024
/** A client assertion of 16 KiB and the other fields, percent-encoded. */
export const MAX_TOKEN_FORM_BYTES = 65_536
