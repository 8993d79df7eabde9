import {
  attemptViewSchema,
  batchItemSchema,
  batchReplySchema,
  batchRequestSchema,
  credentialListSchema,
  credentialViewSchema,
  deliveryListSchema,
  deliveryViewSchema,
  drainReplySchema,
  healthSchema,
  jobErrorSchema,
  jobPageSchema,
  jobResultSchema,
  jobSpecSchema,
  jobViewSchema,
  pendingJobSchema,
  poolCountersSchema,
  problemSchema,
  scheduleHistorySchema,
  schedulePageSchema,
  schedulePatchSchema,
  scheduleRunSchema,
  scheduleSpecSchema,
  scheduleViewSchema,
  sessionImportSchema,
  sessionPageSchema,
  sessionSpecSchema,
  sessionViewSchema,
  statsSchema,
  streamEventSchema,
  usageSchema,
  webhookInputSchema,
  webhookListSchema,
  webhookPatchSchema,
  webhookPayloadSchema,
  webhookSecretSchema,
  webhookViewSchema,
  workerListSchema,
  workerViewSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { openApiDocumentSchema } from './operations/service.js'

export type JsonSchema = Record<string, unknown>
export interface SchemaRef {
  $ref: string
}

const REQUESTS = {
  JobRequest: jobSpecSchema,
  BatchRequest: batchRequestSchema,
  BatchItem: batchItemSchema,
  SessionRequest: sessionSpecSchema,
  SessionImport: sessionImportSchema,
  ScheduleRequest: scheduleSpecSchema,
  SchedulePatch: schedulePatchSchema,
  WebhookRequest: webhookInputSchema,
  WebhookPatch: webhookPatchSchema,
}

const REPLIES = {
  Job: jobViewSchema,
  JobResult: jobResultSchema,
  JobError: jobErrorSchema,
  Attempt: attemptViewSchema,
  Usage: usageSchema,
  JobPage: jobPageSchema,
  PendingJob: pendingJobSchema,
  BatchReply: batchReplySchema,
  Session: sessionViewSchema,
  SessionPage: sessionPageSchema,
  Schedule: scheduleViewSchema,
  SchedulePage: schedulePageSchema,
  ScheduleRun: scheduleRunSchema,
  ScheduleHistory: scheduleHistorySchema,
  Worker: workerViewSchema,
  WorkerList: workerListSchema,
  Credential: credentialViewSchema,
  CredentialList: credentialListSchema,
  DrainReply: drainReplySchema,
  Stats: statsSchema,
  Webhook: webhookViewSchema,
  WebhookWithSecret: webhookSecretSchema,
  WebhookList: webhookListSchema,
  WebhookDelivery: deliveryViewSchema,
  WebhookDeliveryList: deliveryListSchema,
  WebhookPayload: webhookPayloadSchema,
  PoolCounters: poolCountersSchema,
  Health: healthSchema,
  OpenApiDocument: openApiDocumentSchema,
  Problem: problemSchema,
  StreamEvent: streamEventSchema,
  ...Object.fromEntries(streamEventSchema.options.map((option) => [eventName(option.shape.type.value), option])),
}

const names = new Map<z.ZodType, string>(
  Object.entries({ ...REQUESTS, ...REPLIES }).map(([name, schema]) => [schema, name]),
)

/** The components of the document: every schema that has a name, the ones inside it by reference. */
export function componentSchemas(): Record<string, JsonSchema> {
  return { ...convert(REQUESTS, 'input'), ...convert(REPLIES, 'output') }
}

/** The reference to a schema with a name. Throws for one without: bodies are shared shapes, and shared shapes have names. */
export function refOf(schema: z.ZodType): SchemaRef {
  const name = names.get(schema)
  if (name === undefined) throw new Error('a body has a schema without a name')
  return refTo(name)
}

/** A small schema as it is. `output`: after parsing, so a number of a query is a number. */
export function inlineSchema(schema: z.ZodType): JsonSchema {
  return tidy(z.toJSONSchema(schema, { io: 'output' }))
}

const refTo = (name: string): SchemaRef => ({ $ref: `#/components/schemas/${name}` })

function eventName(type: string): string {
  const words = type.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${words.join('')}Event`
}

function convert(schemas: Record<string, z.ZodType>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id })
  const converted = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    io,
    uri: (name) => refTo(name).$ref,
    override({ zodSchema, jsonSchema }) {
      // A reply may have more fields tomorrow; a client that refuses them would break.
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      if (zodSchema === streamEventSchema)
        jsonSchema['discriminator'] = { propertyName: 'type', mapping: eventMapping() }
    },
  })
  return Object.fromEntries(Object.entries(converted.schemas).map(([name, schema]) => [name, tidy(schema)]))
}

function eventMapping(): Record<string, string> {
  const types = streamEventSchema.options.map((option) => option.shape.type.value)
  return Object.fromEntries(types.map((type) => [type, refTo(eventName(type)).$ref]))
}

/** Without what only says which draft this is, and without the bounds every JSON integer has. */
function tidy(schema: object): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key === '$schema' || key === '$id') return undefined
    return (key === 'maximum' || key === 'minimum') && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER
      ? undefined
      : value
  })
  return JSON.parse(text) as JsonSchema
}
