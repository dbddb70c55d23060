#!/usr/bin/env node
// Runs a script of this project under a supported Node: node bin/with-node.mjs SCRIPT [ARGS...]
import { spawn } from 'node:child_process'
import { findNode } from './find-node.mjs'

const node = findNode()
const child = spawn(node.path, process.argv.slice(2), { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  process.stderr.write(`could not start ${node.path}: ${error.message}\n`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  process.exit(signal ? 1 : (code ?? 1))
})
