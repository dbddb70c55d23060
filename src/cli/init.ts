import { parseArgs } from 'node:util'
import { SettingsRefused } from '../config/settings.ts'
import { openDataFolder } from '../data-folder.ts'
import { PRODUCTION_MARK } from '../flows/development-start.ts'
import { createSubscription, createTenant } from '../flows/identity-administration.ts'
import { createApplication } from '../flows/identity-applications.ts'
import { findDefaultTenant } from '../flows/identity-directory.ts'
import { assignRole } from '../flows/manage-role-assignments.ts'
import { systemClock } from '../ports/clock.ts'
import { systemRandom } from '../ports/random.ts'
import { DATA_FLAGS_HELP, dataFlagOptions, dataSettings } from './setting-flags.ts'
import { table } from './with-data.ts'

const HELP = `Usage: keyhaven init --data FOLDER --root-key-file FILE [--tenant-name NAME] [--json]
       keyhaven init --data FOLDER --root-key passphrase --passphrase-file FILE

Prepares a data folder for "keyhaven serve": the root key, a tenant, a subscription, and one app that may administer
the vaults of the subscription. Its secret is printed once and is stored nowhere.

  --tenant-name NAME      default "Default"
  --without-app           no app; callers come from a trusted issuer (docs/operate/identity.md)
${DATA_FLAGS_HELP}

Example: keyhaven init --data /var/lib/keyhaven --root-key-file /etc/keyhaven/root.key
`

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataFlagOptions,
      'tenant-name': { type: 'string' },
      'without-app': { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const given = values as Record<string, string | boolean | undefined>
  if (given.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  if (typeof given.data !== 'string') throw new SettingsRefused('name the folder to prepare with --data')
  const data = await openDataFolder({ settings: dataSettings(given), random: systemRandom, mayCreate: true })
  try {
    const { installation } = data
    if ((await findDefaultTenant(installation)) !== undefined) {
      throw new SettingsRefused(`${given.data} is prepared already; nothing was changed`)
    }
    const parts = { records: installation, clock: systemClock, random: systemRandom }
    await installation.commit([{ collection: 'meta', key: PRODUCTION_MARK, expect: 'any', meta: {} }])
    const displayName = typeof given['tenant-name'] === 'string' ? given['tenant-name'] : 'Default'
    const { tenantId } = await createTenant(parts, { displayName })
    const { subscriptionId } = await createSubscription(parts, { displayName, tenantId })
    const app =
      given['without-app'] === true
        ? undefined
        : await createApplication(parts, { displayName: 'Administrator', tenantId })
    if (app !== undefined) {
      await assignRole(
        { installation, random: systemRandom },
        { scope: `/subscriptions/${subscriptionId}`, principalId: app.objectId, role: 'Key Vault Administrator' },
      )
    }
    const made = {
      tenantId,
      subscriptionId,
      ...(app === undefined
        ? {}
        : { clientId: app.clientId, principalId: app.objectId, clientSecret: app.clientSecret ?? '' }),
    }
    process.stdout.write(
      given.json === true
        ? `${JSON.stringify(made)}\n`
        : `${table(Object.entries(made))}\nKeep the client secret now: it can't be shown again.\n`,
    )
    return 0
  } finally {
    await data.close()
  }
}
