import {
  batchReplySchema,
  credentialListSchema,
  credentialViewSchema,
  jobPageSchema,
  jobViewSchema,
  statsSchema,
  workerListSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import type { Transport } from '../transport.js'
import { createHttpSchedules } from './schedules.js'
import { createHttpSessions } from './sessions.js'
import { sendForJson, type HttpEndpoint, type HttpRequest } from './request.js'
import { streamEvents } from './stream.js'
import { createHttpWebhooks } from './webhooks.js'

const CALL_MS = 30_000
/** A batch is up to 16 MiB, over any line. */
const BATCH_CALL_MS = 120_000
const WAIT_SECONDS = 30

const notYetSchema = z.object({ id: z.string() })
const drainingSchema = z.object({ id: z.string() })

/** The fleet over its HTTP API. */
export function createHttpTransport(endpoint: HttpEndpoint): Transport {
  const ask = <S extends z.ZodType>(request: HttpRequest, schema: S, signal: AbortSignal, timeoutMs = CALL_MS) =>
    sendForJson(endpoint, request, { schema, signal, timeoutMs })
  const jobPath = (id: string) => `v1/jobs/${id}`

  return {
    async enqueue({ input }, { idempotencyKey, signal }) {
      const headers = keyHeader(idempotencyKey)
      return (await ask({ method: 'POST', path: 'v1/jobs', headers, body: input }, jobViewSchema, signal)).value
    },
    async batch(items, { idempotencyKey, signal }) {
      const request: HttpRequest = {
        method: 'POST',
        path: 'v1/jobs/batch',
        headers: keyHeader(idempotencyKey),
        body: { jobs: items.map(({ input }) => input) },
      }
      return (await ask(request, batchReplySchema, signal, BATCH_CALL_MS)).value
    },
    async list(query, signal) {
      return (await ask({ method: 'GET', path: 'v1/jobs', query }, jobPageSchema, signal)).value
    },
    async get(id, signal) {
      return (await ask({ method: 'GET', path: jobPath(id) }, jobViewSchema, signal)).value
    },
    async cancel(id, signal) {
      const { status } = await ask({ method: 'DELETE', path: jobPath(id) }, jobViewSchema, signal)
      return status === 200 ? 'ended' : 'cancelling'
    },
    async retry(id, signal) {
      return (await ask({ method: 'POST', path: `${jobPath(id)}/retry` }, jobViewSchema, signal)).value
    },
    events: (id, after, signal) => streamEvents(endpoint, { path: `${jobPath(id)}/events`, after, signal }),
    async waitForEnd(id, signal) {
      const request: HttpRequest = { method: 'GET', path: `${jobPath(id)}/result`, query: { wait: WAIT_SECONDS } }
      const schema = z.union([jobViewSchema, notYetSchema])
      const { value } = await ask(request, schema, signal, WAIT_SECONDS * 1_000 + CALL_MS)
      return 'state' in value ? value : undefined
    },
    schedules: createHttpSchedules(endpoint),
    sessions: createHttpSessions(endpoint),
    async workers(signal) {
      return (await ask({ method: 'GET', path: 'v1/workers' }, workerListSchema, signal)).value.items
    },
    async stats(signal) {
      return (await ask({ method: 'GET', path: 'v1/stats' }, statsSchema, signal)).value
    },
    async drainWorker(id, signal) {
      await ask({ method: 'POST', path: `v1/workers/${encodeURIComponent(id)}/drain` }, drainingSchema, signal)
    },
    async credentials(signal) {
      return (await ask({ method: 'GET', path: 'v1/credentials' }, credentialListSchema, signal)).value.items
    },
    async resumeCredential(name, signal) {
      const path = `v1/credentials/${encodeURIComponent(name)}/resume`
      return (await ask({ method: 'POST', path }, credentialViewSchema, signal)).value
    },
    webhooks: createHttpWebhooks(endpoint),
    close: async () => undefined,
  }
}

function keyHeader(idempotencyKey: string | undefined): Record<string, string> {
  return idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }
}
