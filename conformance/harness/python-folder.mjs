// Makes a Python environment of its own for a suite and keeps it between runs while its requirements stay the same.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, runOrThrow } from './child.mjs'

/**
 * Answers the `bin` folder of an environment that holds what `requirementsFile` pins. Installs with pip as it is set
 * up here, at low priority; may take minutes the first time.
 */
export async function pythonFolder(context, name, requirementsFile) {
  const folder = join(context.installFolder, name)
  const marker = join(folder, 'installed-requirements.txt')
  const requirements = readFileSync(requirementsFile, 'utf8')
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== requirements) {
    context.say(`  installing ${requirements.trim().split('\n').join(', ')}`)
    rmSync(folder, { recursive: true, force: true })
    await runOrThrow('python3', ['-m', 'venv', folder], { timeoutSeconds: 300 })
    const args = ['-n', '10', join(folder, 'bin', 'pip'), 'install', '--quiet', '--requirement', requirementsFile]
    await runOrThrow('nice', args, { timeoutSeconds: 1800 })
    writeFileSync(marker, requirements)
  }
  return join(folder, 'bin')
}

/** Why no environment can be made, or undefined. */
export function missingPython() {
  return findProgram('python3') ? undefined : 'python3 is not installed'
}
