/** Every limit of the service, with a name and a unit (reference: limits-and-errors; ours are marked). */

/** Bytes of UTF-8. "25 KB" in the documentation; taken as 25 * 1024, which the portal uses too. */
export const MAX_SECRET_VALUE_BYTES = 25_600
export const MAX_CONTENT_TYPE_CHARACTERS = 255
export const MAX_TAGS = 15
export const MAX_TAG_NAME_CHARACTERS = 512
export const MAX_TAG_VALUE_CHARACTERS = 512
export const MAX_NAME_CHARACTERS = 127
export const DEFAULT_PAGE_SIZE = 25
export const MAX_PAGE_SIZE = 25
export const MAX_BACKUP_VERSIONS = 500

/** Ours: a value of 25 KiB takes up to six bytes a character as JSON escapes. */
export const MAX_BODY_BYTES = 262_144
/** Ours: a backup of 500 versions of 25 KiB, sealed and encoded twice, has about 32 MiB. */
export const MAX_RESTORE_BODY_BYTES = 33_554_432
/** Ours: how often a handler decides anew after losing a race, before it gives up with 409. */
export const MAX_COMMIT_ATTEMPTS = 16
/** Ours: how long a request may take to arrive, headers and body. */
export const REQUEST_ARRIVAL_MS = 30_000
export const MAX_HEADER_BYTES = 32_768

export const MIN_RETENTION_DAYS = 7
export const MAX_RETENTION_DAYS = 90
/** Transactions in ten seconds, per vault. */
export const THROTTLE_WINDOW_MS = 10_000
export const SECRET_CREATES_PER_WINDOW = 300
export const OTHER_TRANSACTIONS_PER_WINDOW = 4_000
