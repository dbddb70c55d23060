/** `keyhaven app …`: applications and what they sign in with. */
import type { Application } from '../domain/identity/application.ts'
import { IdentityRefused } from '../flows/identity-administration.ts'
import {
  addCertificate,
  addChosenSecret,
  addFederatedCredential,
  addGeneratedSecret,
  createApplication,
  deleteApplication,
  removeCredential,
  removeSecret,
} from '../flows/identity-applications.ts'
import { findApplication, listApplications } from '../flows/identity-directory.ts'
import {
  type CommandEnvironment,
  type CommandInput,
  dateOf,
  facts,
  type IdentityCommand,
  type Printed,
  secretFromFile,
  table,
  tenantIdOf,
} from './identity-declarations.ts'

const EXAMPLE_ID = '7e1b8a54-7a2f-4f0b-9d3c-2f7f6f6f1c11'

export const appCommands: readonly IdentityCommand[] = [
  {
    words: 'app create',
    usage: '--name NAME [--tenant ID] [--client-id ID] [--days N] [--no-secret] [--public]',
    summary: 'Registers an application and prints its first secret, once.',
    example:
      'keyhaven app create --name web-shop\n  Then assign a role to the object id it prints, and give the client id and secret to the program.',
    options: {
      name: { type: 'string' },
      tenant: { type: 'string' },
      'client-id': { type: 'string' },
      days: { type: 'string' },
      'no-secret': { type: 'boolean' },
      public: { type: 'boolean' },
    },
    positionals: 0,
    run: runCreate,
  },
  {
    words: 'app list',
    usage: '',
    summary: 'Lists the applications.',
    example: 'keyhaven app list --json',
    options: {},
    positionals: 0,
    async run({ records }) {
      const applications = await listApplications(records)
      const rows = applications.map(({ clientId, objectId, displayName }) => [clientId, objectId, displayName])
      return { text: table(['CLIENT ID', 'OBJECT ID', 'NAME'], rows), json: applications }
    },
  },
  {
    words: 'app show',
    usage: 'CLIENT_ID',
    summary: 'Shows an application and its credentials, without any secret.',
    example: `keyhaven app show ${EXAMPLE_ID}`,
    options: {},
    positionals: 1,
    async run({ records }, input) {
      const record = await findApplication(records, input.argument(0))
      if (record === undefined) throw new IdentityRefused(`there is no application ${input.argument(0)}`)
      return { text: describe(record.meta), json: record.meta }
    },
  },
  {
    words: 'app delete',
    usage: 'CLIENT_ID',
    summary: 'Deletes an application. Tokens it has go on counting until they expire.',
    example: `keyhaven app delete ${EXAMPLE_ID}`,
    options: {},
    positionals: 1,
    async run(environment, input) {
      await deleteApplication(environment, input.argument(0))
      return { text: 'deleted\n', json: { deleted: input.argument(0) } }
    },
  },
  {
    words: 'app secret add',
    usage: 'CLIENT_ID [--name NAME] [--days N] [--secret-file FILE]',
    summary: 'Adds a secret: a generated one, printed once, or one of your own from a file (- for standard input).',
    example: `keyhaven app secret add ${EXAMPLE_ID} --name 2027 --days 180\n  Roll secrets over: add the new one, give it to the program, then remove the old one.`,
    options: { name: { type: 'string' }, days: { type: 'string' }, 'secret-file': { type: 'string' } },
    positionals: 1,
    run: runSecretAdd,
  },
  {
    words: 'app secret remove',
    usage: 'CLIENT_ID SECRET_ID',
    summary: 'Removes a secret by the id that "app show" lists.',
    example: `keyhaven app secret remove ${EXAMPLE_ID} 0f8fad5b-d9cb-469f-a165-70867728950e`,
    options: {},
    positionals: 2,
    async run(environment, input) {
      await removeSecret(environment, input.argument(0), input.argument(1))
      return { text: 'removed\n', json: { removed: input.argument(1) } }
    },
  },
  {
    words: 'app credential add',
    usage: 'CLIENT_ID (--certificate FILE | --issuer URL --subject TEXT [--audience TEXT ...]) [--name NAME]',
    summary: 'Lets the application sign in with a certificate, or with tokens of another issuer.',
    example: `keyhaven app credential add ${EXAMPLE_ID} --issuer https://token.actions.githubusercontent.com --subject repo:acme/shop:ref:refs/heads/main\n  Issuer and subject are compared letter by letter with iss and sub of the token.`,
    options: {
      certificate: { type: 'string' },
      issuer: { type: 'string' },
      subject: { type: 'string' },
      audience: { type: 'string', multiple: true },
      name: { type: 'string' },
    },
    positionals: 1,
    run: runCredentialAdd,
  },
  {
    words: 'app credential remove',
    usage: 'CLIENT_ID CREDENTIAL_ID',
    summary: 'Removes a certificate or federated credential by the id that "app show" lists.',
    example: `keyhaven app credential remove ${EXAMPLE_ID} 0f8fad5b-d9cb-469f-a165-70867728950e`,
    options: {},
    positionals: 2,
    async run(environment, input) {
      await removeCredential(environment, input.argument(0), input.argument(1))
      return { text: 'removed\n', json: { removed: input.argument(1) } }
    },
  },
]

async function runCreate(environment: CommandEnvironment, input: CommandInput): Promise<Printed> {
  const { application, clientId, objectId, clientSecret } = await createApplication(environment, {
    displayName: input.requiredText('name'),
    tenantId: await tenantIdOf(environment, input),
    clientId: input.text('client-id'),
    isPublicClient: input.isOn('public'),
    secretDays: input.isOn('no-secret') ? 0 : input.count('days'),
  })
  const secret: [string, string][] =
    clientSecret === undefined ? [] : [['client secret', `${clientSecret}  (shown only now)`]]
  return {
    text: facts([
      ['client id', clientId],
      ['object id', `${objectId}  (assign roles to this one)`],
      ['tenant id', application.tenantId],
      ...secret,
    ]),
    json: {
      clientId,
      objectId,
      tenantId: application.tenantId,
      ...(clientSecret === undefined ? {} : { clientSecret }),
    },
  }
}

async function runSecretAdd(environment: CommandEnvironment, input: CommandInput): Promise<Printed> {
  const wanted = { displayName: input.text('name') ?? 'secret', days: input.count('days') }
  const file = input.text('secret-file')
  if (file !== undefined) {
    const secret = await secretFromFile(environment, file)
    const entry = await addChosenSecret(environment, input.argument(0), { ...wanted, secret })
    return {
      text: facts([
        ['secret id', entry.keyId],
        ['expires', dateOf(entry.expiresUnixSeconds)],
      ]),
      json: entry,
    }
  }
  const { entry, secret } = await addGeneratedSecret(environment, input.argument(0), wanted)
  return {
    text: facts([
      ['secret id', entry.keyId],
      ['expires', dateOf(entry.expiresUnixSeconds)],
      ['client secret', `${secret}  (shown only now)`],
    ]),
    json: { ...entry, clientSecret: secret },
  }
}

async function runCredentialAdd(environment: CommandEnvironment, input: CommandInput): Promise<Printed> {
  const [file, issuer] = [input.text('certificate'), input.text('issuer')]
  if ((file === undefined) === (issuer === undefined)) {
    throw new IdentityRefused('give either --certificate, or --issuer and --subject')
  }
  if (file !== undefined) {
    const added = await addCertificate(environment, input.argument(0), {
      displayName: input.text('name') ?? 'certificate',
      certificate: await environment.readFile(file),
    })
    return {
      text: facts([
        ['credential id', added.keyId],
        ['thumbprint', added.thumbprintSha1],
        ['expires', dateOf(added.expiresUnixSeconds)],
      ]),
      json: added,
    }
  }
  const added = await addFederatedCredential(environment, input.argument(0), {
    displayName: input.text('name') ?? 'federated',
    issuer: issuer ?? '',
    subject: input.requiredText('subject'),
    audiences: input.texts('audience'),
  })
  return {
    text: facts([
      ['credential id', added.keyId],
      ['audiences', added.audiences.join(', ')],
    ]),
    json: added,
  }
}

function describe(application: Application): string {
  const credentials = [
    ...application.secrets.map((entry) => [
      'secret',
      entry.keyId,
      entry.displayName,
      dateOf(entry.expiresUnixSeconds),
      entry.origin === 'generated' ? `${entry.hint}…` : 'chosen',
    ]),
    ...application.certificates.map((entry) => [
      'certificate',
      entry.keyId,
      entry.displayName,
      dateOf(entry.expiresUnixSeconds),
      entry.thumbprintSha1,
    ]),
    ...application.federatedCredentials.map((entry) => [
      'federated',
      entry.keyId,
      entry.displayName,
      '',
      `${entry.issuer} ${entry.subject}`,
    ]),
  ]
  return (
    facts([
      ['name', application.displayName],
      ['client id', application.clientId],
      ['object id', application.objectId],
      ['tenant id', application.tenantId],
    ]) + (credentials.length === 0 ? '' : `\n${table(['KIND', 'ID', 'NAME', 'EXPIRES', 'WHAT'], credentials)}`)
  )
}
