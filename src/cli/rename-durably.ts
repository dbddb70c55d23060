import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'

/** Gives a finished file its name; when this returns, both survive a power cut. No store may have the file open. */
export function renameDurably(from: string, to: string): void {
  sync(from, 'r+')
  renameSync(from, to)
  // Windows syncs no folders.
  if (process.platform !== 'win32') sync(dirname(to), 'r')
}

function sync(path: string, flags: 'r' | 'r+'): void {
  const fd = openSync(path, flags)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
