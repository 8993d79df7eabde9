import { SCOPES } from '@claude-fleet/core'
import { z } from 'zod'
import { errorCodesOf, TAGS, type Operation, type Operations } from './operation.js'
import { componentHeaders, componentResponses, errorResponse, goodResponse } from './replies.js'
import { componentSchemas, inlineSchema, refOf, type JsonSchema } from './schemas.js'

export interface OpenApiDocument {
  openapi: string
  info: { title: string; version: string; description: string; license: object }
  servers: { url: string }[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, DocumentedOperation>>
  components: {
    schemas: Record<string, JsonSchema>
    responses: Record<string, DocumentedResponse>
    headers: Record<string, object>
    securitySchemes: Record<string, object>
  }
}

export interface DocumentedOperation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  security: Record<string, string[]>[]
  parameters?: DocumentedParameter[]
  requestBody?: { content: Record<string, { schema: JsonSchema; examples: Record<string, { value: unknown }> }> }
  responses: Record<string, DocumentedResponse | { $ref: string }>
}

export interface DocumentedParameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  description?: string
  schema: JsonSchema
}

export interface DocumentedResponse {
  description: string
  headers?: Record<string, object>
  content?: Record<string, { schema: JsonSchema; example?: unknown; examples?: Record<string, { value: unknown }> }>
}

const DESCRIPTION = [
  'A job queue in front of the `claude` command line. A job is one prompt with its options; it has exactly one outcome.',
  'Send an API key as `Authorization: Bearer KEY` or as `x-api-key: KEY`. Without configured keys the API listens on ' +
    'loopback alone, needs none, and serves only requests with a local `Host` and no foreign `Origin`.',
  'Every reply has `request-id`. Every error is `application/problem+json` (RFC 9457): branch on `code`; `retryable` ' +
    'says whether the same request may succeed later. Unknown fields in a request are an error; a reply may gain fields.',
  'Every `GET` answers `HEAD`. `OPTIONS` names the methods of a path, any other method is `405` with `Allow`, and a ' +
    'path that does not exist is `404`. What is no valid HTTP is answered `400`, `408`, `417` or `431` with the same kind of body.',
  'Times are ms since the epoch, durations ms, money USD.',
].join('\n\n')

/** The OpenAPI 3.1 document of what the tables of operations say. `version` is that of the API. */
export function createDocument(operations: Operations, version: string): OpenApiDocument {
  const paths: OpenApiDocument['paths'] = {}
  for (const [id, operation] of Object.entries(operations)) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method]: documented(id, operation) }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'claude-fleet', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: componentSchemas(),
      responses: componentResponses() as Record<string, DocumentedResponse>,
      headers: componentHeaders(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: `An API key. Its scopes: ${SCOPES.join(', ')}.` },
        apiKey: {
          type: 'apiKey',
          in: 'header',
          name: 'x-api-key',
          description: 'The same key, in a header of its own.',
        },
      },
    },
  }
}

function documented(id: string, operation: Operation): DocumentedOperation {
  const { tag, summary, description, scope, params, query, headers, body, replies } = operation
  const parameters = [
    ...parametersOf(params, 'path'),
    ...parametersOf(query, 'query'),
    ...parametersOf(headers, 'header'),
  ]
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    // The names are the scopes (OpenAPI 3.1 allows them as roles beside OAuth). An empty entry: no key is needed.
    security: scope === undefined ? [{}] : [{ bearer: [scope] }, { apiKey: [scope] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: requestBody(body) }),
    responses: {
      ...Object.fromEntries(Object.entries(replies).map(([status, reply]) => [status, goodResponse(reply)])),
      ...Object.fromEntries(errorCodesOf(operation).map(errorResponse)),
    } as DocumentedOperation['responses'],
  }
}

function requestBody({ schema, limitBytes, examples }: NonNullable<Operation['body']>) {
  const values = Object.entries(examples).map(([name, value]) => [name, { value }] as const)
  return {
    required: true,
    description: `At most ${limitBytes / 2 ** 20} MiB.`,
    content: { 'application/json': { schema: { ...refOf(schema) }, examples: Object.fromEntries(values) } },
  }
}

function parametersOf(object: z.ZodObject | undefined, place: DocumentedParameter['in']): DocumentedParameter[] {
  return Object.entries(object?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = inlineSchema(field as z.ZodType)
    return {
      name,
      in: place,
      required: !z.safeParse(field, undefined).success,
      ...(typeof description === 'string' ? { description } : {}),
      schema,
    }
  })
}
