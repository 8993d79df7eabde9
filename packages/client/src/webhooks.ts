import {
  deliveryListQuerySchema,
  FleetError,
  parseInput,
  refuseHostileJson,
  rotateQuerySchema,
  WEBHOOK_ID_PATTERN,
  webhookInputSchema,
  webhookPatchSchema,
  type DeliveryView,
  type WebhookInput,
  type WebhookPatch,
  type WebhookView,
  type WebhookWithSecret,
} from '@claude-fleet/core'
import type { CallOptions } from './fleet.js'
import type { WebhookTransport } from './transport.js'

/**
 * The tenant's endpoints that are told when jobs end. Over HTTP only: the secrets are encrypted with a key that only the
 * API has, so over Redis every call rejects with FleetError `FORBIDDEN`. An id that is not the tenant's rejects with
 * `NOT_FOUND`.
 */
export interface FleetWebhooks {
  /** The answer has the secret, which is shown once. Rejects with `CONFLICT` when there are too many. */
  create(input: WebhookInput, options?: CallOptions): Promise<WebhookWithSecret>
  list(options?: CallOptions): Promise<WebhookView[]>
  get(id: string, options?: CallOptions): Promise<WebhookView>
  /** What is left out stays. */
  update(id: string, patch: WebhookPatch, options?: CallOptions): Promise<WebhookView>
  delete(id: string, options?: CallOptions): Promise<void>
  /** A new secret; the old one signs beside it for `overlapMs` (default 24 h). */
  rotate(id: string, options?: CallOptions & { overlapMs?: number | undefined }): Promise<WebhookWithSecret>
  /** The last ones, newest first; `limit` 1 to 100, default 20. */
  deliveries(id: string, options?: CallOptions & { limit?: number | undefined }): Promise<DeliveryView[]>
  /** Sends a test event; `deliveries` tells what came of it. Rejects with `CONFLICT` when the endpoint is disabled. */
  test(id: string, options?: CallOptions): Promise<DeliveryView>
}

type Call = <T>(signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** The calls on webhooks, their input checked as the API checks it. */
export function createFleetWebhooks(transport: WebhookTransport, call: Call): FleetWebhooks {
  return {
    async create(input, options) {
      refuseHostileJson(input)
      parseInput(webhookInputSchema, input)
      return call(options?.signal, (signal) => transport.create(input, signal))
    },
    list: (options) => call(options?.signal, (signal) => transport.list(signal)),
    get: async (id, options) => call(options?.signal, (signal) => transport.get(known(id), signal)),
    async update(id, patch, options) {
      refuseHostileJson(patch)
      parseInput(webhookPatchSchema, patch)
      return call(options?.signal, (signal) => transport.update(known(id), patch, signal))
    },
    delete: async (id, options) => call(options?.signal, (signal) => transport.delete(known(id), signal)),
    async rotate(id, { signal: given, ...query } = {}) {
      const { overlapMs } = parseInput(rotateQuerySchema, query)
      return call(given, (signal) => transport.rotate(known(id), overlapMs, signal))
    },
    async deliveries(id, { signal: given, ...query } = {}) {
      const { limit } = parseInput(deliveryListQuerySchema, query)
      return call(given, (signal) => transport.deliveries(known(id), limit, signal))
    },
    test: async (id, options) => call(options?.signal, (signal) => transport.test(known(id), signal)),
  }
}

function known(id: string): string {
  if (WEBHOOK_ID_PATTERN.test(id)) return id
  throw new FleetError('NOT_FOUND', 'there is no such webhook')
}
