import {
  deliveryListSchema,
  deliveryViewSchema,
  webhookListSchema,
  webhookSecretSchema,
  webhookViewSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import type { WebhookTransport } from '../transport.js'
import { sendForJson, type HttpEndpoint, type HttpRequest } from './request.js'

const CALL_MS = 30_000
const PATH = 'v1/webhooks'

/** `/v1/webhooks` of the HTTP API. */
export function createHttpWebhooks(endpoint: HttpEndpoint): WebhookTransport {
  const ask = async <S extends z.ZodType>(request: HttpRequest, schema: S, signal: AbortSignal) =>
    (await sendForJson(endpoint, request, { schema, signal, timeoutMs: CALL_MS })).value

  return {
    create: (input, signal) => ask({ method: 'POST', path: PATH, body: input }, webhookSecretSchema, signal),
    list: async (signal) => (await ask({ method: 'GET', path: PATH }, webhookListSchema, signal)).items,
    get: (id, signal) => ask({ method: 'GET', path: `${PATH}/${id}` }, webhookViewSchema, signal),
    update: (id, patch, signal) =>
      ask({ method: 'PATCH', path: `${PATH}/${id}`, body: patch }, webhookViewSchema, signal),
    delete: (id, signal) => ask({ method: 'DELETE', path: `${PATH}/${id}` }, z.undefined(), signal),
    rotate: (id, overlapMs, signal) =>
      ask({ method: 'POST', path: `${PATH}/${id}/rotate`, query: { overlapMs } }, webhookSecretSchema, signal),
    deliveries: async (id, limit, signal) =>
      (await ask({ method: 'GET', path: `${PATH}/${id}/deliveries`, query: { limit } }, deliveryListSchema, signal))
        .items,
    test: (id, signal) => ask({ method: 'POST', path: `${PATH}/${id}/test` }, deliveryViewSchema, signal),
  }
}
