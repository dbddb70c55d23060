/**
 * Writes X.509 certificates (RFC 5280): the two kinds Keyhaven issues for its own listener, an authority and a server.
 * Reading them is left to Node's `X509Certificate`. Nothing here keeps time or makes random numbers; callers bring both.
 *
 * The ASN.1 comes from `@peculiar/asn1-x509`. The layer above it, `@peculiar/x509`, needs a polyfill that changes the
 * global `Reflect` and takes twice as long to load, for parts that Node already has.
 */
import { createHash, createPublicKey, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'

const COMMON_NAME = '2.5.4.3'
/** The signature algorithm by the issuer's type of key; RFC 4055 wants NULL parameters with RSA. */
const SIGNATURE_ALGORITHMS: Readonly<Record<string, { readonly algorithm: string; readonly parameters?: null }>> = {
  ec: { algorithm: '1.2.840.10045.4.3.2' },
  rsa: { algorithm: '1.2.840.113549.1.1.11', parameters: null },
}

interface AnyCertificate {
  /** At most 20 bytes, positive, unique per issuer. */
  readonly serial: Uint8Array
  readonly commonName: string
  /** Written in whole seconds. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export interface AuthorityCertificate extends AnyCertificate {
  /** The authority's own key, which signs; ECDSA P-256. */
  readonly privateKey: KeyObject
  /**
   * The DNS names, with everything below them, and the addresses that this authority can vouch for; clients refuse its
   * certificates for others.
   */
  readonly permitted: { readonly dnsNames: readonly string[]; readonly addresses: readonly string[] }
}

export interface ServerCertificate extends AnyCertificate {
  readonly publicKey: KeyObject
  readonly issuer: { readonly commonName: string; readonly privateKey: KeyObject }
  /** DNS names, wildcards included, and IP addresses. */
  readonly names: readonly string[]
}

/** A self-signed authority that may issue server certificates only, and no further authorities. Answers PEM. */
export function writeAuthorityCertificate(certificate: AuthorityCertificate): string {
  const publicKey = createPublicKey(certificate.privateKey)
  const { dnsNames, addresses } = certificate.permitted
  const subtrees = [
    ...dnsNames.map((dNSName) => new asn1.GeneralName({ dNSName })),
    ...addresses.map((address) => new asn1.GeneralName({ iPAddress: `${address}/${isIP(address) === 4 ? 32 : 128}` })),
  ].map((base) => new asn1.GeneralSubtree({ base }))
  return signCertificate(certificate, publicKey, certificate, [
    extension(asn1.id_ce_basicConstraints, 'critical', new asn1.BasicConstraints({ cA: true, pathLenConstraint: 0 })),
    keyUsage(asn1.KeyUsageFlags.keyCertSign),
    extension(asn1.id_ce_extKeyUsage, 'optional', new asn1.ExtendedKeyUsage([asn1.id_kp_serverAuth])),
    extension(
      asn1.id_ce_nameConstraints,
      'critical',
      new asn1.NameConstraints({ permittedSubtrees: new asn1.GeneralSubtrees(subtrees) }),
    ),
    extension(asn1.id_ce_subjectKeyIdentifier, 'optional', new asn1.SubjectKeyIdentifier(keyIdentifier(publicKey))),
  ])
}

/** A certificate for a TLS server. Answers PEM. */
export function writeServerCertificate(certificate: ServerCertificate): string {
  const { publicKey, issuer, names } = certificate
  const authorityKeyIdentifier = new asn1.AuthorityKeyIdentifier({
    keyIdentifier: new asn1.KeyIdentifier(keyIdentifier(createPublicKey(issuer.privateKey))),
  })
  const generalNames = names.map(
    (name) => new asn1.GeneralName(isIP(name) === 0 ? { dNSName: name } : { iPAddress: name }),
  )
  return signCertificate(certificate, publicKey, issuer, [
    extension(asn1.id_ce_basicConstraints, 'critical', new asn1.BasicConstraints({ cA: false })),
    keyUsage(asn1.KeyUsageFlags.digitalSignature),
    extension(asn1.id_ce_extKeyUsage, 'optional', new asn1.ExtendedKeyUsage([asn1.id_kp_serverAuth])),
    extension(asn1.id_ce_subjectAltName, 'optional', new asn1.SubjectAlternativeName(generalNames)),
    extension(asn1.id_ce_subjectKeyIdentifier, 'optional', new asn1.SubjectKeyIdentifier(keyIdentifier(publicKey))),
    extension(asn1.id_ce_authorityKeyIdentifier, 'optional', authorityKeyIdentifier),
  ])
}

/** A certificate that only carries a key, such as those of token signing keys. Signed by itself. Answers PEM. */
export function writeKeyCertificate(certificate: AnyCertificate & { readonly privateKey: KeyObject }): string {
  const publicKey = createPublicKey(certificate.privateKey)
  return signCertificate(certificate, publicKey, certificate, [
    extension(asn1.id_ce_subjectKeyIdentifier, 'optional', new asn1.SubjectKeyIdentifier(keyIdentifier(publicKey))),
  ])
}

function signCertificate(
  { serial, commonName, notBeforeMs, notAfterMs }: AnyCertificate,
  publicKey: KeyObject,
  issuer: ServerCertificate['issuer'],
  extensions: asn1.Extension[],
): string {
  const algorithm = new asn1.AlgorithmIdentifier(SIGNATURE_ALGORITHMS[issuer.privateKey.asymmetricKeyType ?? ''])
  const tbsCertificate = new asn1.TBSCertificate({
    version: asn1.Version.v3,
    serialNumber: positiveInteger(serial),
    signature: algorithm,
    issuer: distinguishedName(issuer.commonName),
    validity: new asn1.Validity({ notBefore: new Date(notBeforeMs), notAfter: new Date(notAfterMs) }),
    subject: distinguishedName(commonName),
    subjectPublicKeyInfo: AsnConvert.parse(spki(publicKey), asn1.SubjectPublicKeyInfo),
    extensions: new asn1.Extensions(extensions),
  })
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate))
  const signature = sign('sha256', signed, { key: issuer.privateKey, dsaEncoding: 'der' })
  const certificate = new asn1.Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: arrayBufferOf(signature),
  })
  return new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))).toString()
}

function extension(extnID: string, weight: 'critical' | 'optional', value: unknown): asn1.Extension {
  const extnValue = new OctetString(AsnConvert.serialize(value))
  return new asn1.Extension({ extnID, critical: weight === 'critical', extnValue })
}

function keyUsage(flags: number): asn1.Extension {
  return extension(asn1.id_ce_keyUsage, 'critical', new asn1.KeyUsage(flags))
}

function distinguishedName(commonName: string): asn1.Name {
  const value = new asn1.AttributeValue({ utf8String: commonName })
  return new asn1.Name([
    new asn1.RelativeDistinguishedName([new asn1.AttributeTypeAndValue({ type: COMMON_NAME, value })]),
  ])
}

/** RFC 7093, section 2, method 4: the leftmost 160 bits of a SHA-256 over the key as the certificate holds it. */
function keyIdentifier(publicKey: KeyObject): ArrayBuffer {
  return arrayBufferOf(createHash('sha256').update(spki(publicKey)).digest().subarray(0, 20))
}

/** DER integers are signed: the first bit is cleared to stay positive, the next one set to keep the length. */
function positiveInteger(bytes: Uint8Array): ArrayBuffer {
  const integer = Uint8Array.from(bytes)
  integer[0] = ((integer[0] ?? 0) & 0x7f) | 0x40
  return integer.buffer
}

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}
