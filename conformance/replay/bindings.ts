/**
 * Which of our ids, blobs and times stand for which recorded ones.
 *
 * The two vaults make up their own version ids, backup blobs and times, so they are equal only in how they hang
 * together: what was one id in the recording has to be one id in our answers, everywhere. A recorded id is bound to
 * ours where it is first seen, and from then on replaced by it.
 */
const VERSION_ID = /[0-9a-f]{32}/g
const RECORDED_VAULT = /https:\/\/[a-z0-9-]+\.vault\.azure\.net/gi
const REGEXP_CHARACTERS = /[.*+?^${}()|[\]\\]/g

export class Bindings {
  readonly vaultUrl: string
  readonly tenantId: string
  readonly #versions = new Map<string, string>()
  readonly #blobs = new Map<string, string>()

  /** The vault's url has no trailing slash: `https://NAME.vault.azure.net`. */
  constructor(vaultUrl: string, tenantId: string) {
    this.vaultUrl = vaultUrl
    this.tenantId = tenantId
  }

  bindVersion(recorded: string, ours: string): void {
    this.#versions.set(recorded, ours)
  }

  version(recorded: string): string | undefined {
    return this.#versions.get(recorded)
  }

  bindBlob(recorded: string, ours: string): void {
    this.#blobs.set(recorded, ours)
  }

  blob(recorded: string): string | undefined {
    return this.#blobs.get(recorded)
  }

  /** The recorded text with our vault and the ids bound so far. */
  translate(recorded: string): string {
    return recorded.replace(RECORDED_VAULT, this.vaultUrl).replace(VERSION_ID, (id) => this.#versions.get(id) ?? id)
  }

  /**
   * Tells whether our text says the same as the recorded one, and binds ids that were not bound yet. An id of ours that
   * already stands for another recorded id does not do.
   */
  matches(recorded: string, ours: string): boolean {
    const translated = this.translate(recorded)
    if (translated === ours) return true
    const unbound = (recorded.match(VERSION_ID) ?? []).filter((id) => !this.#versions.has(id))
    if (unbound.length === 0) return false
    const pattern = unbound.reduce(
      (made, id) => made.replace(id, '([0-9a-f]{32})'),
      translated.replace(REGEXP_CHARACTERS, String.raw`\$&`),
    )
    const found = ours.match(new RegExp(`^${pattern}$`))
    if (!found) return false
    const taken = new Set(this.#versions.values())
    const fresh = unbound.map((id, index) => [id, found[index + 1] ?? ''] as const)
    if (fresh.some(([, mine]) => taken.has(mine))) return false
    for (const [id, mine] of fresh) this.#versions.set(id, mine)
    return true
  }
}
