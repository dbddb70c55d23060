// Writes the pages that are generated from the code: docs/generated/*. `npm run docs` writes them; with --check it only
// says whether they are in step, which tests/architecture does too.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generatedDocs } from './generated-docs.ts'

const folder = fileURLToPath(new URL('../docs/generated/', import.meta.url))
const isCheck = process.argv.includes('--check')
mkdirSync(folder, { recursive: true })
let stale = 0
for (const [name, text] of Object.entries(generatedDocs())) {
  const file = `${folder}${name}`
  if (isCheck) {
    if (readOr(file) !== text) {
      process.stdout.write(`${name} is out of step: run npm run docs\n`)
      stale++
    }
  } else writeFileSync(file, text)
}
process.exit(stale === 0 ? 0 : 1)

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Not there yet: out of step.
    return undefined
  }
}
