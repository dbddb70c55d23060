import type { PublicRefusal } from '../../errors/refusal.ts'

/** The management API's form: code and message only. */
export function renderResourceManagerError({ code, message }: PublicRefusal): string {
  return JSON.stringify({ error: { code, message } })
}
