import type { PublicRefusal } from '../../errors/refusal.ts'

/** `{"error":{"code","message","innererror":{"code"}}}`, nothing else at any level (observed, section 3). */
export function renderVaultError({ code, message, innerCode }: PublicRefusal): string {
  return JSON.stringify({
    error: { code, message, ...(innerCode === undefined ? {} : { innererror: { code: innerCode } }) },
  })
}
