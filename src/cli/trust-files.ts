/**
 * The two files clients are pointed at: `ca.pem`, our authority alone, for programs that add to what they trust
 * (Node), and `ca-bundle.pem`, the machine's authorities and ours, for those that replace it (Python, Go, curl).
 */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'

/** Where systems keep all authorities they trust in one file. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
const READABLE_BY_ALL = 0o644

export interface TrustFiles {
  readonly caFile: string
  readonly caBundleFile: string
  /** The system's bundle that was copied, or `node` where none was found. */
  readonly bundleOrigin: string
}

/**
 * Writes both files into the folder, each complete or not at all; readers never see half a file. May be repeated and
 * run by several processes at once.
 */
export async function writeTrustFiles(
  folder: string,
  caPem: string,
  systemBundles: readonly string[] = SYSTEM_BUNDLES,
): Promise<TrustFiles> {
  await mkdir(folder, { recursive: true })
  const { origin, pem } = await systemAuthorities(systemBundles)
  const caFile = join(folder, 'ca.pem')
  const caBundleFile = join(folder, 'ca-bundle.pem')
  const ours = withNewline(caPem)
  await replaceFiles(folder, [
    { file: caFile, text: ours },
    { file: caBundleFile, text: withNewline(pem) + ours },
  ])
  return { caFile, caBundleFile, bundleOrigin: origin }
}

async function systemAuthorities(files: readonly string[]): Promise<{ origin: string; pem: string }> {
  for (const file of files) {
    try {
      const pem = await readFile(file, 'utf8')
      if (pem.includes('-----BEGIN CERTIFICATE-----')) return { origin: file, pem }
    } catch (error) {
      // Most of these places do not exist on any one system; one that can't be read is no worse than one missing.
      if (!isFileError(error)) throw error
    }
  }
  return { origin: 'node', pem: rootCertificates.join('\n') }
}

async function replaceFiles(folder: string, files: readonly { file: string; text: string }[]): Promise<void> {
  const temporary = await mkdtemp(join(folder, '.trust-'))
  try {
    for (const { file, text } of files) {
      const written = join(temporary, 'file')
      await writeFile(written, text, { mode: READABLE_BY_ALL, flush: true })
      await rename(written, file)
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

function withNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`
}
