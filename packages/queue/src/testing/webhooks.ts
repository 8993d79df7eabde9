import { randomBytes } from 'node:crypto'
import { webhookInputSchema, type WebhookInput } from '@claude-fleet/core'
import { connectRedis } from '../redis/connect.js'
import { createCourier } from '../webhooks/courier.js'
import { createWebhooks } from '../webhooks/registry.js'
import type { SendWebhook, WebhookRequest } from '../webhooks/round.js'
import type { WebhookAnswer } from '../webhooks/verdict.js'
import { QUIET, TENANT, type TestFleet } from './fleet.js'

export const SECRET_KEY = randomBytes(32)

/** The webhooks of a test fleet, with a receiver that answers as it is told. `close` it before the fleet. */
export function openWebhooks(url: string, fleet: TestFleet) {
  const registry = createWebhooks(
    { redis: fleet.redis, log: QUIET },
    { prefix: fleet.prefix, secretKeys: [SECRET_KEY] },
  )
  const closers: (() => Promise<void>)[] = []
  /** Every request, in order. */
  const sent: WebhookRequest[] = []
  const waiting: { count: number; resolve: () => void }[] = []

  async function deliver(
    answer: (request: WebhookRequest, signal: AbortSignal) => Promise<WebhookAnswer> | WebhookAnswer = () => ({
      type: 'answered',
      status: 204,
    }),
    timing?: Parameters<typeof createCourier>[2],
  ) {
    const send: SendWebhook = async (request, signal) => {
      sent.push(request)
      for (const waiter of waiting) if (sent.length >= waiter.count) waiter.resolve()
      return answer(request, signal)
    }
    const redis = await connectRedis({ url, name: 'courier', mode: 'worker' })
    const options = { prefix: fleet.prefix, secretKeys: [SECRET_KEY] }
    const courier = createCourier({ redis, log: QUIET, send }, options, timing)
    closers.push(async () => {
      await courier.stop(0)
      await redis.close()
    })
    await courier.start()
    return courier
  }

  return {
    registry,
    sent,
    deliver,
    create: (input: Partial<WebhookInput> = {}, tenant = TENANT) =>
      registry.create(tenant, webhookInputSchema.parse({ url: 'https://hooks.example/in', ...input })),
    /** Resolves when so many requests were made. */
    async requests(count: number): Promise<WebhookRequest[]> {
      if (sent.length < count) await new Promise<void>((resolve) => waiting.push({ count, resolve }))
      return sent
    },
    /** Lets the time of every delivery of an endpoint come. */
    async makeDue(id: string) {
      const { client, keys } = fleet
      await client.hdel(keys.hook(id), 'restUntil')
      for (const delivery of await client.zrange(keys.hookDue(id), '0', '-1')) {
        await client.zadd(keys.hookDue(id), 1, delivery)
      }
      await client.zadd(keys.hooksDue, 1, id)
      await client.publish(keys.hooksWake, id)
    },
    async close() {
      for (const close of closers) await close()
    },
  }
}
