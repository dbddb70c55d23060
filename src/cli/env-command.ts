import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SettingsRefused } from '../config/settings.ts'
import { readDevelopment } from '../flows/development-start.ts'
import { findDefaultTenant } from '../flows/identity-directory.ts'
import { listVaults } from '../flows/manage-vaults.ts'
import { type ClientState, runEnvCommand } from './env.ts'
import { readyFacts } from './ready-facts.ts'
import { SERVER_FILE, type ServerFacts } from './server-process.ts'
import { dataSettings, splitDataFlags } from './setting-flags.ts'
import { withData } from './with-data.ts'

export async function run(args: readonly string[]): Promise<number> {
  const { values, rest } = splitDataFlags(args)
  return runEnvCommand(rest, {
    state: () => stateOf(values),
    stdout: process.stdout,
    stderr: process.stderr,
  })
}

/** What a running server wrote about itself, and what the data folder knows besides. */
async function stateOf(values: Readonly<Record<string, string>>): Promise<ClientState> {
  const folder = resolve(dataSettings(values).dataFolder)
  const server = readServerFacts(folder)
  return withData(values, async ({ installation }) => {
    const development = await readDevelopment(installation)
    const tenantId = development?.facts.tenantId ?? (await findDefaultTenant(installation))?.tenantId
    return {
      ...readyFacts(server, await listVaults(installation)),
      dataFolder: folder,
      ...(tenantId === undefined ? {} : { tenantId }),
      ...(development === undefined
        ? {}
        : {
            clientId: development.facts.clientId,
            clientSecret: development.secrets.clientSecret,
            identityHeader: development.secrets.identityHeader,
          }),
    }
  })
}

function readServerFacts(folder: string): ServerFacts {
  try {
    return JSON.parse(readFileSync(join(folder, SERVER_FILE), 'utf8')) as ServerFacts
  } catch (cause) {
    throw new SettingsRefused(
      `no server runs on ${folder}: start one with "keyhaven dev", or name its folder with --data`,
      {
        cause,
      },
    )
  }
}
