/** Makes one signing key: an RSA key pair and the self-signed certificate that clients take its name and form from. */
import { createHash, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { SIGNING_KEY_BITS } from '../domain/identity/limits.ts'
import type { SigningKeyInfo } from '../domain/identity/signing-key.ts'
import type { Random } from '../ports/random.ts'
import { SecretBytes } from '../sealing/secret-bytes.ts'

export interface NewSigningKey {
  readonly info: SigningKeyInfo
  /** PKCS#8 DER. */
  readonly privateKey: SecretBytes
}

const CERTIFICATE_YEARS = 5
const SERIAL_BYTES = 16

export async function generateSigningKey(
  { sequence, signsFromMs }: { readonly sequence: number; readonly signsFromMs: number },
  random: Random,
): Promise<NewSigningKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: SIGNING_KEY_BITS })
  const certificate = await selfSigned(privateKey, signsFromMs, random)
  const { n, e } = publicKey.export({ format: 'jwk' })
  if (n === undefined || e === undefined) throw new Error('an RSA public key without modulus or exponent')
  return {
    info: {
      sequence,
      kid: createHash('sha1').update(certificate).digest('base64url'),
      certificate: certificate.toString('base64'),
      n,
      e,
      signsFromMs,
    },
    privateKey: new SecretBytes(privateKey.export({ format: 'der', type: 'pkcs8' })),
  }
}

/** Nobody checks a chain or the validity of these certificates: they carry the key and give it its thumbprint. */
async function selfSigned(privateKey: KeyObject, signsFromMs: number, random: Random): Promise<Buffer> {
  // Loaded only when a key is made, which is once in weeks: the library is not small.
  const { writeKeyCertificate } = await import('../formats/x509-certificate.ts')
  const notBeforeMs = Math.floor(signsFromMs / 1000) * 1000
  const notAfter = new Date(notBeforeMs)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + CERTIFICATE_YEARS)
  const pem = writeKeyCertificate({
    serial: random.bytes(SERIAL_BYTES),
    commonName: 'Keyhaven token signing',
    notBeforeMs,
    notAfterMs: notAfter.getTime(),
    privateKey,
  })
  return new X509Certificate(pem).raw
}
