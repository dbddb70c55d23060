// The facts a reader needs to compare two result files: the machine, the file system written to, the versions.
import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'

const projectFolder = fileURLToPath(new URL('../..', import.meta.url))

export function machineFacts(workFolder) {
  return {
    cpu: `${os.availableParallelism()} x ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    kernel: `${os.type()} ${os.release()}`,
    dataFileSystem: fileSystemOf(workFolder),
    node: process.version,
    openssl: process.versions.openssl,
    sqlite: process.versions.sqlite ?? 'none',
    commit: commitOf(),
  }
}

/** The mounted file system with the longest path that is the start of this folder. */
function fileSystemOf(folder) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point]) => folder === point || folder.startsWith(point === '/' ? '/' : `${point}/`))
    .toSorted((a, b) => b[1].length - a[1].length)
  const type = mounts[0]?.[2] ?? 'unknown'
  const { bavail, bsize } = statfsSync(folder)
  return `${type}, ${Math.round((bavail * bsize) / 2 ** 30)} GiB free`
}

/** A file system in memory has no disk to wait for, so commit rates on it say nothing. */
export function isInMemory(fileSystem) {
  return /^(tmpfs|ramfs)\b/.test(fileSystem)
}

function commitOf() {
  try {
    const hash = git('rev-parse', '--short', 'HEAD')
    return git('status', '--porcelain', '--', 'src', 'bin') === '' ? hash : `${hash} with uncommitted changes`
  } catch {
    // A copy without git still has everything else to report.
    return 'unknown'
  }
}

function git(...words) {
  return execFileSync('git', words, {
    cwd: projectFolder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
}
