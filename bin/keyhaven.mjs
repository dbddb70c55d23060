#!/usr/bin/env node
// The `keyhaven` command. Runs the built server where there is one, else the sources, under a supported Node.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findNode } from './find-node.mjs'

const built = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const source = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const entry = existsSync(source) && process.env.KEYHAVEN_RUN !== 'dist' ? source : built
const node = findNode()
if (node.path === process.execPath) {
  process.argv[1] = entry
  await import(entry)
} else {
  process.env.KEYHAVEN_NODE_ORIGIN = node.origin
  const child = spawn(node.path, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
