/** Makes one signing key: an RSA key pair and the self-signed certificate that clients take its name and form from. */
import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
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
const SIGNING = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const

export async function generateSigningKey(
  { sequence, signsFromMs }: { readonly sequence: number; readonly signsFromMs: number },
  random: Random,
): Promise<NewSigningKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: SIGNING_KEY_BITS })
  const certificate = await selfSigned(publicKey, privateKey, signsFromMs, random)
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

/** Nobody checks a chain or the validity of these certificates; they carry the key and give it its thumbprint. */
async function selfSigned(
  publicKey: KeyObject,
  privateKey: KeyObject,
  signsFromMs: number,
  random: Random,
): Promise<Buffer> {
  // Loaded only when a key is made, which is once in weeks: the library is not small.
  const { X509CertificateGenerator } = await import('@peculiar/x509')
  const serial = random.bytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01
  const notBefore = new Date(signsFromMs)
  const notAfter = new Date(signsFromMs)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + CERTIFICATE_YEARS)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Keyhaven token signing',
    serialNumber: Buffer.from(serial).toString('hex'),
    notBefore,
    notAfter,
    keys: {
      publicKey: publicKey.toCryptoKey(SIGNING, true, ['verify']),
      privateKey: privateKey.toCryptoKey(SIGNING, false, ['sign']),
    },
    signingAlgorithm: SIGNING,
  })
  return Buffer.from(certificate.rawData)
}
