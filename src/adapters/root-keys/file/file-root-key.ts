/**
 * The root key in a file of 0600: for development, and for machines whose disk is protected by other means. Whoever
 * reads the file and the data folder can read everything, so production asks for it by name.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { chmod, link, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Random } from '../../../ports/random.ts'
import { type RootKeyProvider, RootKeyRefused } from '../../../ports/root-key.ts'
import { localKeyProvider } from '../local-key.ts'

const KEY_BYTES = 32
const FIRST_LINE = 'keyhaven root key, version 1'

export interface FileRootKeyOptions {
  readonly file: string
  /** Makes the file when it does not exist. Never when the data folder already holds data. */
  readonly mayCreate: boolean
  readonly random: Random
}

export async function fileRootKey({ file, mayCreate, random }: FileRootKeyOptions): Promise<RootKeyProvider> {
  const key = await load(file, mayCreate, random)
  return localKeyProvider('file', key, random)
}

async function load(file: string, mayCreate: boolean, random: Random): Promise<KeyObject> {
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new RootKeyRefused(
        `the root key file ${file} can be read by others (mode ${(mode & 0o777).toString(8)}): run chmod 600 on it`,
      )
    }
    return parse(file, await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (!mayCreate) {
      throw new RootKeyRefused(
        `the root key file ${file} does not exist, and the data cannot be opened without it: put it back, or name it with --root-key-file`,
        { cause: error },
      )
    }
    await create(file, random)
    return load(file, false, random)
  }
}

function parse(file: string, text: string): KeyObject {
  const [first, hex] = text.trim().split('\n')
  if (first !== FIRST_LINE || hex === undefined || !/^[0-9a-f]{64}$/.test(hex)) {
    throw new RootKeyRefused(`the file ${file} is not a root key file of Keyhaven`)
  }
  return createSecretKey(Buffer.from(hex, 'hex'))
}

/** Written beside and linked into place, so that a kill leaves either no file or a whole one, and the first one wins. */
async function create(file: string, random: Random): Promise<void> {
  const temporary = `${file}.${random.uuid()}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(`${FIRST_LINE}\n${Buffer.from(random.bytes(KEY_BYTES)).toString('hex')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await chmod(temporary, 0o600)
  try {
    await link(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(dirname(file))
}

/** Data is sealed under the key next, so its name must survive a power cut first. Windows syncs no folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
