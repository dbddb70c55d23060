import { existsSync, realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { type Settings, SettingsRefused } from '../config/settings.ts'
import { readDevelopment } from '../flows/development-start.ts'
import { findDefaultTenant } from '../flows/identity-directory.ts'
import { hostNames } from '../http/host-names.ts'
import { runServer } from './server-process.ts'
import { parseServerFlags, settingsHelp } from './setting-flags.ts'

const HELP = `Usage: keyhaven serve --data FOLDER --root-key KIND --domain DOMAIN --address ADDRESS
                     --tls-cert FILE --tls-key FILE [OPTIONS]

Starts a production server on a data folder that "keyhaven init" prepared. It makes nothing by itself, and refuses to
start where something would be unsafe, with a sentence that says what to do.

  --json
      One line of JSON once it answers, instead of text.
${settingsHelp('production')}
`

export async function run(args: readonly string[]): Promise<number> {
  const { settings, json, help } = parseServerFlags('production', args)
  if (help) {
    process.stdout.write(HELP)
    return 0
  }
  requireSafe(settings)
  return runServer(settings, {
    mayCreate: false,
    async prepare({ installation }) {
      if ((await findDefaultTenant(installation)) === undefined) {
        throw new SettingsRefused('this data folder has no tenant yet: prepare it with "keyhaven init"')
      }
      if ((await readDevelopment(installation)) !== undefined) {
        throw new SettingsRefused(
          'this data folder was made by "keyhaven dev", and its app may do everything: prepare a new one with "keyhaven init"',
        )
      }
    },
    async onReady(ports, { installation }) {
      const names = hostNames({ domain: settings.domain, defaultVault: undefined, port: ports.httpsPort })
      const ready = {
        ready: true,
        dataFolder: settings.dataFolder,
        ...ports,
        loginUrl: names.loginUrl,
        managementUrl: names.managementUrl,
        tenantId: (await findDefaultTenant(installation))?.tenantId,
      }
      process.stdout.write(
        json
          ? `${JSON.stringify(ready)}\n`
          : `Keyhaven answers at https://NAME${names.vaultSuffix}; log-in at ${names.loginUrl}\n`,
      )
    },
  })
}

/** What production must not do unasked. */
function requireSafe(settings: Settings): void {
  if (settings.engine === 'memory') {
    throw new SettingsRefused('the memory engine forgets everything; production needs --engine sqlite')
  }
  if (settings.rootKey === 'file' && settings.rootKeyFile === '') {
    throw new SettingsRefused(
      'name the root key file with --root-key-file, outside the data folder: a key beside the data protects nothing',
    )
  }
  if (settings.rootKey === 'file' && isInside(settings.dataFolder, settings.rootKeyFile)) {
    throw new SettingsRefused('the root key file lies in the data folder, where it protects nothing: move it elsewhere')
  }
  if ((settings.tlsCertificate === '') !== (settings.tlsKey === '')) {
    throw new SettingsRefused('--tls-cert and --tls-key belong together')
  }
  if (settings.tlsCertificate === '' && !settings.allowLocalCa) {
    throw new SettingsRefused(
      'give a certificate with --tls-cert and --tls-key, or accept one of the local CA with --allow-local-ca',
    )
  }
  for (const file of [settings.tlsCertificate, settings.tlsKey, settings.trustedIssuers]) {
    if (file !== '' && !existsSync(file)) throw new SettingsRefused(`the file ${file} does not exist`)
  }
  if (settings.defaultVault !== '') {
    throw new SettingsRefused('a default vault for bare addresses is for development only: leave --default-vault out')
  }
}

/** Behind all links, where both exist. */
function isInside(folder: string, file: string): boolean {
  const real = (path: string) => (existsSync(path) ? realpathSync(path) : resolve(path))
  return real(file).startsWith(`${real(folder)}${sep}`)
}
