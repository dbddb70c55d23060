import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generatedDocs } from '../../tools/generated-docs.ts'

for (const [name, text] of Object.entries(generatedDocs())) {
  test(`docs/generated/${name} is in step with the code (npm run docs)`, () => {
    assert.equal(readFileSync(new URL(`../../docs/generated/${name}`, import.meta.url), 'utf8'), text)
  })
}
