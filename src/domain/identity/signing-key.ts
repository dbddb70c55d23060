/**
 * When signing keys are made, used and dropped. A new key is published a lead time before it signs, so nobody meets a
 * token whose key they cannot know; the key before it stays published until the last token it signed has expired.
 * Everything follows from the keys' own times, so every node comes to the same decision.
 */
import { SIGNING_KEY_LEAD_SECONDS, SIGNING_KEY_RETIREMENT_SECONDS } from './limits.ts'

/** The open part of a signing key's record; the private key is in the sealed part. */
export interface SigningKeyInfo {
  /** 1, 2, 3 and so on. The record's key is made of it, so only one node can make the next key. */
  readonly sequence: number
  /** Base64url SHA-1 of the certificate, as the real service names its keys; also `x5t`. */
  readonly kid: string
  /** Self-signed, base64 DER: the form some clients take the key from. */
  readonly certificate: string
  /** Base64url modulus and exponent. */
  readonly n: string
  readonly e: string
  readonly signsFromMs: number
}

export interface SigningKeyPlan<K extends SigningKeyInfo> {
  /** The key that signs now. Missing only while there is none at all. */
  readonly signer: K | undefined
  /** What the key set answers, newest first. */
  readonly published: readonly K[]
  /** What nothing can need any more. */
  readonly retired: readonly K[]
  /** The key to make now, if one is due. */
  readonly next: { readonly sequence: number; readonly signsFromMs: number } | undefined
}

/** `keys` in ascending sequence. */
export function planSigningKeys<K extends SigningKeyInfo>(
  keys: readonly K[],
  nowMs: number,
  signingPeriodMs: number,
): SigningKeyPlan<K> {
  const newest = keys.at(-1)
  // A clock that was set back finds no key that signs yet; the oldest one is then the best known.
  const signer = keys.findLast((key) => key.signsFromMs <= nowMs) ?? keys[0]
  const published = keys.filter((_, index) => nowMs < publishedUntilMs(keys, index))
  return {
    signer,
    published: published.toReversed(),
    retired: keys.filter((_, index) => nowMs >= publishedUntilMs(keys, index)),
    next: newest === undefined ? { sequence: 1, signsFromMs: nowMs } : nextAfter(newest, nowMs, signingPeriodMs),
  }
}

/** Infinity for the newest key. */
export function publishedUntilMs(keys: readonly SigningKeyInfo[], index: number): number {
  const successor = keys[index + 1]
  return successor === undefined ? Infinity : successor.signsFromMs + SIGNING_KEY_RETIREMENT_SECONDS * 1000
}

function nextAfter(newest: SigningKeyInfo, nowMs: number, signingPeriodMs: number) {
  const leadMs = SIGNING_KEY_LEAD_SECONDS * 1000
  const dueMs = newest.signsFromMs + signingPeriodMs
  if (nowMs < dueMs - leadMs) return undefined
  return { sequence: newest.sequence + 1, signsFromMs: Math.max(dueMs, nowMs + leadMs) }
}
