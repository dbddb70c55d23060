/** Looks for secrets in whatever a server leaves behind: as they are, and in every form that they may have been put into. */
export interface Marker {
  readonly name: string
  readonly bytes: Buffer
}

export const textMarker = (name: string, text: string): Marker => ({ name, bytes: Buffer.from(text, 'utf8') })

interface Form {
  readonly name: string
  readonly pattern: Buffer
}

/** Shorter ones would be found by chance. */
const MIN_PATTERN_BYTES = 12

/** The forms a secret is looked for in. */
export function formsOf({ bytes }: Marker): readonly Form[] {
  const text = bytes.toString('utf8')
  const isText = Buffer.from(text, 'utf8').equals(bytes)
  const percent = (hex: (byte: number) => string) => [...bytes].map((byte) => `%${hex(byte)}`).join('')
  const hexOf = (byte: number) => byte.toString(16).padStart(2, '0')
  const forms: Form[] = [
    { name: 'plain', pattern: bytes },
    { name: 'hexadecimal', pattern: Buffer.from(bytes.toString('hex')) },
    { name: 'hexadecimal capitals', pattern: Buffer.from(bytes.toString('hex').toUpperCase()) },
    { name: 'hexadecimal as inspect shows it', pattern: Buffer.from([...bytes].map(hexOf).join(' ')) },
    { name: 'decimal list', pattern: Buffer.from([...bytes].join(',')) },
    { name: 'percent-encoded', pattern: Buffer.from(percent(hexOf)) },
    { name: 'percent-encoded capitals', pattern: Buffer.from(percent((byte) => hexOf(byte).toUpperCase())) },
    ...base64Forms(bytes),
  ]
  if (isText) {
    const utf16 = Buffer.from(text, 'utf16le')
    const escaped = JSON.stringify(text).slice(1, -1)
    forms.push(
      { name: 'UTF-16, little-endian', pattern: utf16 },
      { name: 'UTF-16, big-endian', pattern: Buffer.from(utf16).swap16() },
      ...base64Forms(utf16).map((form) => ({ ...form, name: `UTF-16 in ${form.name}` })),
      { name: 'percent-encoded as in a URL', pattern: Buffer.from(encodeURIComponent(text)) },
      { name: 'form-encoded', pattern: Buffer.from(new URLSearchParams([['', text]]).toString().slice(1)) },
      { name: 'escaped as JSON', pattern: Buffer.from(escaped) },
      { name: 'escaped as JSON twice', pattern: Buffer.from(JSON.stringify(escaped).slice(1, -1)) },
      { name: 'escaped as JSON throughout', pattern: Buffer.from(jsonEscaped(text)) },
    )
  }
  // Many secrets look the same in several forms; the first one names it.
  const distinct = new Map(forms.reverse().map((form) => [form.pattern.toString('latin1'), form]))
  return [...distinct.values()].reverse().filter(({ pattern }) => pattern.byteLength >= MIN_PATTERN_BYTES)
}

/** Each character as `\u0041`. */
export function jsonEscaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('')
}

/** What base64 makes of the bytes wherever they begin in a group of three; the characters that hold other bytes too are left out. */
function base64Forms(bytes: Buffer): readonly Form[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const whole = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.byteLength) * 8) / 6))
    return [
      { name: `base64, shifted by ${before}`, pattern: Buffer.from(whole) },
      {
        name: `base64url, shifted by ${before}`,
        pattern: Buffer.from(whole.replaceAll('+', '-').replaceAll('/', '_')),
      },
    ]
  })
}

/** Something to look through. */
export interface Haystack {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Answers a sentence for each secret found, in whatever form, broken over lines or not. */
export function findSecrets(markers: readonly Marker[], haystacks: readonly Haystack[]): readonly string[] {
  const found: string[] = []
  const searched = markers.map((marker) => ({ marker, forms: formsOf(marker) }))
  for (const { name, bytes } of haystacks) {
    const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const views = [whole, withoutLineBreaks(whole)]
    for (const { marker, forms } of searched) {
      for (const form of forms) {
        if (views.some((view) => view.includes(form.pattern))) found.push(`${marker.name} in ${name} (${form.name})`)
      }
    }
  }
  return found
}

/** PEM breaks base64 over lines, and JSON writes those breaks as `\n`. */
function withoutLineBreaks(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(/\\n|\\r|[\r\n]/g, ''), 'latin1')
}
