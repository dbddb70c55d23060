// Lets clients that ask the system's resolver find `*.vault.localhost` and the like. Machines differ: with
// libnss-myhostname or systemd-resolved those names simply resolve; as root on Linux a child can get an /etc/hosts of
// its own in a private mount namespace, which leaves the machine's file alone; elsewhere the names go through the
// server's CONNECT proxy. The clients themselves are unmodified in all three.
import { lookup } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './child.mjs'
import { proxyMode } from './surroundings.mjs'

const bindScript = 'mount --bind "$0" /etc/hosts && exec "$@"'

/**
 * Answers `{ how, wrap, env }`: the sentence for the report, a function from `[command, args]` to the pair that runs
 * it where the names resolve, and the variables to add.
 */
export async function findHostNames(base, workFolder) {
  const urls = [base.loginUrl, base.managementUrl, ...base.vaults.map((vault) => vault.url)]
  const names = urls.map((url) => new URL(url).hostname)
  const unwrapped = (command, args) => [command, args]
  if (await resolvesAll(names)) return { how: "the system's resolver", wrap: unwrapped, env: {} }
  const hostsFile = join(workFolder, 'hosts')
  writeFileSync(hostsFile, ['localhost', ...names].map((name) => `127.0.0.1 ${name}\n`).join(''))
  const wrap = (command, args) => ['unshare', ['--mount', '--', 'sh', '-c', bindScript, hostsFile, command, ...args]]
  if (await works(wrap, names[0])) return { how: 'an /etc/hosts private to the client (unshare)', wrap, env: {} }
  return { how: 'the CONNECT proxy', wrap: unwrapped, env: { HTTPS_PROXY: proxyMode(base).HTTPS_PROXY } }
}

async function resolvesAll(names) {
  try {
    await Promise.all(names.map((name) => lookup(name)))
    return true
  } catch {
    return false
  }
}

async function works(wrap, name) {
  try {
    const [command, args] = wrap('getent', ['hosts', name])
    return (await run(command, args, { env: process.env, timeoutSeconds: 20 })).code === 0
  } catch {
    return false
  }
}
