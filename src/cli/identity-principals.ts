/** `keyhaven user …`, `group …`, `managed-identity …`, `tenant …` and `subscription …`. */
import { GENERATED_SECRET_BYTES, secretFromRandom } from '../domain/identity/secret-hash.ts'
import {
  addGroupMember,
  createGroup,
  createManagedIdentity,
  createSubscription,
  createTenant,
  createUser,
  deleteUser,
  removeGroupMember,
  setPassword,
} from '../flows/identity-administration.ts'
import {
  listGroups,
  listManagedIdentities,
  listSubscriptions,
  listTenants,
  listUsers,
} from '../flows/identity-directory.ts'
import {
  type CommandEnvironment,
  type CommandInput,
  facts,
  type IdentityCommand,
  type Printed,
  secretFromFile,
  table,
  tenantIdOf,
} from './identity-declarations.ts'

export const principalCommands: readonly IdentityCommand[] = [
  {
    words: 'user create',
    usage: '--upn NAME@DOMAIN [--name NAME] [--tenant ID] [--password-file FILE]',
    summary: 'Makes a user. Without a file (- for standard input) a password is generated and printed once.',
    example:
      'keyhaven user create --upn ada@example.org --name "Ada L."\n  Then: az login -u ada@example.org -p PASSWORD',
    options: {
      upn: { type: 'string' },
      name: { type: 'string' },
      tenant: { type: 'string' },
      'password-file': { type: 'string' },
    },
    positionals: 0,
    run: runUserCreate,
  },
  {
    words: 'user password',
    usage: 'NAME@DOMAIN [--password-file FILE]',
    summary: 'Gives a user a new password and ends all sign-ins with the old one.',
    example: 'keyhaven user password ada@example.org',
    options: { 'password-file': { type: 'string' } },
    positionals: 1,
    async run(environment, input) {
      const { password, isGenerated } = await passwordOf(environment, input)
      await setPassword(environment, input.argument(0), password)
      return isGenerated
        ? { text: facts([['password', `${password}  (shown only now)`]]), json: { password } }
        : { text: 'changed\n', json: { changed: input.argument(0) } }
    },
  },
  {
    words: 'user list',
    usage: '',
    summary: 'Lists the users.',
    example: 'keyhaven user list',
    options: {},
    positionals: 0,
    async run({ records }) {
      const users = await listUsers(records)
      const rows = users.map(({ objectId, userPrincipalName, displayName }) => [
        objectId,
        userPrincipalName,
        displayName,
      ])
      return { text: table(['OBJECT ID', 'USER PRINCIPAL NAME', 'NAME'], rows), json: users }
    },
  },
  {
    words: 'user delete',
    usage: 'NAME@DOMAIN',
    summary: 'Deletes a user. Tokens they have go on counting until they expire.',
    example: 'keyhaven user delete ada@example.org',
    options: {},
    positionals: 1,
    async run(environment, input) {
      await deleteUser(environment, input.argument(0))
      return { text: 'deleted\n', json: { deleted: input.argument(0) } }
    },
  },
  {
    words: 'group create',
    usage: '--name NAME [--tenant ID]',
    summary: 'Makes a group; what is granted to its object id counts for its members.',
    example: 'keyhaven group create --name operators',
    options: { name: { type: 'string' }, tenant: { type: 'string' } },
    positionals: 0,
    async run(environment, input) {
      const displayName = input.requiredText('name')
      const group = await createGroup(environment, { displayName, tenantId: await tenantIdOf(environment, input) })
      return { text: facts([['object id', group.objectId]]), json: group }
    },
  },
  {
    words: 'group add-member',
    usage: 'GROUP_ID OBJECT_ID',
    summary: 'Puts a user, application, managed identity or group (by object id) into a group.',
    example:
      'keyhaven group add-member 0f8fad5b-d9cb-469f-a165-70867728950e 7c9e6679-7425-40de-944b-e07fc1f90ae7\n  It shows in the next token the member gets.',
    options: {},
    positionals: 2,
    async run(environment, input) {
      await addGroupMember(environment, input.argument(0), input.argument(1))
      return { text: 'added\n', json: { group: input.argument(0), added: input.argument(1) } }
    },
  },
  {
    words: 'group remove-member',
    usage: 'GROUP_ID OBJECT_ID',
    summary: 'Takes a member out of a group. Tokens it has name the group until they expire.',
    example: 'keyhaven group remove-member 0f8fad5b-d9cb-469f-a165-70867728950e 7c9e6679-7425-40de-944b-e07fc1f90ae7',
    options: {},
    positionals: 2,
    async run(environment, input) {
      await removeGroupMember(environment, input.argument(0), input.argument(1))
      return { text: 'removed\n', json: { group: input.argument(0), removed: input.argument(1) } }
    },
  },
  {
    words: 'group list',
    usage: '',
    summary: 'Lists the groups.',
    example: 'keyhaven group list --json',
    options: {},
    positionals: 0,
    async run({ records }) {
      const groups = await listGroups(records)
      const rows = groups.map(({ objectId, displayName, members }) => [objectId, displayName, String(members.length)])
      return { text: table(['OBJECT ID', 'NAME', 'MEMBERS'], rows), json: groups }
    },
  },
  {
    words: 'managed-identity create',
    usage:
      '--name NAME [--tenant ID] [--resource-id ARM_ID] [--system-assigned] [--imds] [--share-header-with CLIENT_ID]',
    summary: 'Makes a managed identity and prints its IDENTITY_HEADER value, once.',
    example:
      'keyhaven managed-identity create --name worker\n  Then give the program IDENTITY_ENDPOINT and IDENTITY_HEADER. --imds lets any local process ask for its tokens without a header value.',
    options: {
      name: { type: 'string' },
      tenant: { type: 'string' },
      'resource-id': { type: 'string' },
      'system-assigned': { type: 'boolean' },
      imds: { type: 'boolean' },
      'share-header-with': { type: 'string' },
    },
    positionals: 0,
    run: runManagedIdentityCreate,
  },
  {
    words: 'managed-identity list',
    usage: '',
    summary: 'Lists the managed identities.',
    example: 'keyhaven managed-identity list',
    options: {},
    positionals: 0,
    async run({ records }) {
      const identities = (await listManagedIdentities(records)).map(({ endpointHeaderHash: _, ...shown }) => shown)
      const rows = identities.map(({ clientId, objectId, displayName, kind }) => [
        clientId,
        objectId,
        displayName,
        kind,
      ])
      return { text: table(['CLIENT ID', 'OBJECT ID', 'NAME', 'KIND'], rows), json: identities }
    },
  },
  {
    words: 'tenant create',
    usage: '--name NAME [--id ID]',
    summary: 'Makes a tenant. The first one is what the tenant name "adfs" stands for.',
    example:
      'keyhaven tenant create --name Example\n  Use --id to keep the tenant id that your programs are configured with.',
    options: { name: { type: 'string' }, id: { type: 'string' } },
    positionals: 0,
    async run(environment, input) {
      const tenant = await createTenant(environment, {
        displayName: input.requiredText('name'),
        tenantId: input.text('id'),
      })
      return { text: facts([['tenant id', tenant.tenantId]]), json: tenant }
    },
  },
  {
    words: 'tenant list',
    usage: '',
    summary: 'Lists the tenants.',
    example: 'keyhaven tenant list',
    options: {},
    positionals: 0,
    async run({ records }) {
      const tenants = await listTenants(records)
      const rows = tenants.map(({ tenantId, displayName, isDefault }) => [
        tenantId,
        displayName,
        isDefault ? 'yes' : '',
      ])
      return { text: table(['TENANT ID', 'NAME', 'DEFAULT'], rows), json: tenants }
    },
  },
  {
    words: 'subscription create',
    usage: '--name NAME [--tenant ID] [--id ID]',
    summary: 'Makes a subscription: what vaults are created in.',
    example: 'keyhaven subscription create --name Production',
    options: { name: { type: 'string' }, tenant: { type: 'string' }, id: { type: 'string' } },
    positionals: 0,
    async run(environment, input) {
      const subscription = await createSubscription(environment, {
        displayName: input.requiredText('name'),
        tenantId: await tenantIdOf(environment, input),
        subscriptionId: input.text('id'),
      })
      return { text: facts([['subscription id', subscription.subscriptionId]]), json: subscription }
    },
  },
  {
    words: 'subscription list',
    usage: '',
    summary: 'Lists the subscriptions.',
    example: 'keyhaven subscription list',
    options: {},
    positionals: 0,
    async run({ records }) {
      const found = await listSubscriptions(records)
      const rows = found.map(({ subscriptionId, displayName, tenantId }) => [subscriptionId, displayName, tenantId])
      return { text: table(['SUBSCRIPTION ID', 'NAME', 'TENANT ID'], rows), json: found }
    },
  },
]

async function runUserCreate(environment: CommandEnvironment, input: CommandInput): Promise<Printed> {
  const userPrincipalName = input.requiredText('upn')
  const { password, isGenerated } = await passwordOf(environment, input)
  const user = await createUser(environment, {
    userPrincipalName,
    displayName: input.text('name') ?? userPrincipalName,
    tenantId: await tenantIdOf(environment, input),
    password,
  })
  const shown: [string, string][] = isGenerated ? [['password', `${password}  (shown only now)`]] : []
  return {
    text: facts([['object id', user.objectId], ...shown]),
    json: { ...user, ...(isGenerated ? { password } : {}) },
  }
}

async function passwordOf(environment: CommandEnvironment, input: CommandInput) {
  const file = input.text('password-file')
  return file === undefined
    ? { password: secretFromRandom(environment.random.bytes(GENERATED_SECRET_BYTES)), isGenerated: true }
    : { password: await secretFromFile(environment, file), isGenerated: false }
}

async function runManagedIdentityCreate(environment: CommandEnvironment, input: CommandInput): Promise<Printed> {
  const { identity, endpointHeader } = await createManagedIdentity(environment, {
    displayName: input.requiredText('name'),
    tenantId: await tenantIdOf(environment, input),
    resourceId: input.text('resource-id'),
    kind: input.isOn('system-assigned') ? 'SystemAssigned' : 'UserAssigned',
    isAvailableToImds: input.isOn('imds'),
    headerSharedWith: input.text('share-header-with'),
  })
  const { clientId, objectId, resourceId } = identity
  const header: [string, string][] =
    endpointHeader === undefined ? [] : [['IDENTITY_HEADER', `${endpointHeader}  (shown only now)`]]
  return {
    text: facts([
      ['client id', clientId],
      ['object id', `${objectId}  (assign roles to this one)`],
      ['resource id', resourceId],
      ...header,
    ]),
    json: {
      clientId,
      objectId,
      resourceId,
      ...(endpointHeader === undefined ? {} : { identityHeader: endpointHeader }),
    },
  }
}
