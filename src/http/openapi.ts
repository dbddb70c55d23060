/** The OpenAPI 3.1 description of what we serve, from the table of operations (TypeBox schemas are JSON Schema). */
import type { TObject } from 'typebox'
import { catalogue } from '../errors/catalogue.ts'
import type { Operation } from '../operations/operation.ts'

export function openApiOf(operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    const path = operation.path.replaceAll('?}', '}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keyhaven',
      version: '2026-04-01',
      description: 'What Keyhaven serves, in the form of the newest api-version.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [
      { url: 'https://{vault}.vault.localhost:8443', variables: { vault: { default: 'dev' } } },
      { url: 'https://login.localhost:8443' },
      { url: 'https://management.localhost:8443' },
    ],
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: {
        KeyVaultError: {
          type: 'object',
          required: ['error'],
          properties: {
            error: {
              type: 'object',
              required: ['code', 'message'],
              properties: {
                code: { type: 'string' },
                message: { type: 'string' },
                innererror: { type: 'object', properties: { code: { type: 'string' } } },
              },
            },
          },
        },
      },
    },
    paths,
  }
}

function describe(operation: Operation): object {
  const { id, summary, hosts, params, query, body, answer, status = 200, since, permission, refusals } = operation
  const isPublic = permission.kind === 'anonymous'
  return {
    operationId: id,
    summary,
    tags: [...hosts],
    ...(isPublic ? { security: [] } : { security: [{ bearer: [] }] }),
    ...(permission.kind === 'vaultObject' ? { 'x-data-action': permission.dataAction } : {}),
    parameters: [
      ...parametersOf(params, 'path'),
      ...(since === 'any'
        ? []
        : [
            {
              name: 'api-version',
              in: 'query',
              required: true,
              schema: { type: 'string' },
              description: `since ${since}`,
            },
          ]),
      ...parametersOf(query, 'query'),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [contentTypeOf(operation)]: { schema: body } } } }),
    responses: {
      [status]: answer === undefined ? { description: 'done' } : jsonResponse('done', answer),
      ...Object.fromEntries(
        [...new Set(refusals.map((name) => catalogue[name].status))].map((code) => [
          code,
          jsonResponse(refusals.filter((name) => catalogue[name].status === code).join(', '), {
            $ref: '#/components/schemas/KeyVaultError',
          }),
        ]),
      ),
    },
  }
}

const contentTypeOf = ({ bodyFormat }: Operation) =>
  bodyFormat === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'

const jsonResponse = (description: string, schema: object) => ({
  description,
  content: { 'application/json': { schema } },
})

function parametersOf(schema: TObject, place: 'path' | 'query'): object[] {
  const required = new Set<string>(schema.required ?? [])
  return Object.entries(schema.properties).map(([name, property]) => {
    const description = 'description' in property ? property.description : undefined
    return {
      name,
      in: place,
      // OpenAPI has no optional path segments; an empty one is what clients send there.
      required: place === 'path' || required.has(name),
      schema: property,
      ...(description === undefined ? {} : { description }),
    }
  })
}
