/** Whole seconds since 1970-01-01T00:00:00Z: the service's IntDate (RFC 7519 NumericDate without fractions). */
export type UnixSeconds = number & { readonly brand: 'UnixSeconds' }

export function unixSecondsOf(milliseconds: number): UnixSeconds {
  return Math.floor(milliseconds / 1000) as UnixSeconds
}

export const SECONDS_PER_DAY = 86_400
