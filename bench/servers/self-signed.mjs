// A self-signed P-256 certificate for the bare server, the kind of key that Keyhaven makes for itself. Written out in
// DER by hand because that is thirty lines and keeps this package free of dependencies.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const BOOLEAN_TRUE = Buffer.from('0101ff', 'hex')
const DAY_MS = 86_400_000

const OID = {
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
  commonName: Buffer.from('0603550403', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
  basicConstraints: Buffer.from('0603551d13', 'hex'),
}

/** PEM of the key and of a certificate for this DNS name, good from yesterday until tomorrow; it is its own issuer. */
export function selfSigned(dnsName) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = element(SEQUENCE, OID.ecdsaWithSha256)
  const name = element(
    SEQUENCE,
    element(SET, element(SEQUENCE, OID.commonName, element(UTF8_STRING, Buffer.from('bare')))),
  )
  const extensions = element(
    SEQUENCE,
    element(SEQUENCE, OID.basicConstraints, BOOLEAN_TRUE, element(OCTET_STRING, element(SEQUENCE, BOOLEAN_TRUE))),
    element(
      SEQUENCE,
      OID.subjectAltName,
      element(OCTET_STRING, element(SEQUENCE, element(0x82, Buffer.from(dnsName)))),
    ),
  )
  const toBeSigned = element(
    SEQUENCE,
    element(0xa0, element(INTEGER, Buffer.of(2))),
    element(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    name,
    element(SEQUENCE, utcTime(Date.now() - DAY_MS), utcTime(Date.now() + DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa3, extensions),
  )
  const signature = element(BIT_STRING, Buffer.of(0), sign('sha256', toBeSigned, privateKey))
  const certificate = element(SEQUENCE, toBeSigned, algorithm, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
  }
}

function element(tag, ...contents) {
  const content = Buffer.concat(contents)
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}

function utcTime(timeMs) {
  const digits = new Date(timeMs).toISOString().replaceAll(/\D/g, '').slice(2, 14)
  return element(UTC_TIME, Buffer.from(`${digits}Z`))
}
