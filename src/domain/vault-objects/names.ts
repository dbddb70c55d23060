import { MAX_NAME_CHARACTERS } from '../limits/limits.ts'

/** A name of a secret, key or certificate, in the case it was given. */
export type ObjectName = string & { readonly brand: 'ObjectName' }

/** The form names are compared and stored in: names are case-insensitive and case-preserving. */
export type NameKey = string & { readonly brand: 'NameKey' }

/** 32 lower-case hexadecimal digits. */
export type ObjectVersion = string & { readonly brand: 'ObjectVersion' }

const NAME = /^[0-9a-zA-Z-]+$/
const VERSION = /^[0-9a-f]{32}$/i

export function isObjectName(text: string): text is ObjectName {
  return text.length <= MAX_NAME_CHARACTERS && NAME.test(text)
}

export function nameKeyOf(name: ObjectName): NameKey {
  return name.toLowerCase() as NameKey
}

/** The version in the form it is stored in, or undefined for text that can't be one. */
export function parseVersion(text: string): ObjectVersion | undefined {
  return VERSION.test(text) ? (text.toLowerCase() as ObjectVersion) : undefined
}

/** A fresh version id from 16 random bytes. */
export function versionFrom(randomBytes: Uint8Array): ObjectVersion {
  return Buffer.from(randomBytes).toString('hex') as ObjectVersion
}
