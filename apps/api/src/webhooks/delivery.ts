import type { WebhookSettings } from '@claude-fleet/core'
import { connectRedis, createCourier, type Courier } from '@claude-fleet/queue'
import type { Logger } from 'pino'
import type { AddressPolicy } from './address.js'
import { createSender } from './post.js'

export interface DeliveryOptions {
  redisUrl: string
  prefix: string
  webhooks: WebhookSettings
}

/**
 * Starts the delivery of webhooks in this process, on a connection of its own: waiting commands of a queue and calls that
 * must fail at once do not share one. Undefined without a key for the secrets. Rejects with FleetError, nothing left open.
 */
export async function startDelivery(
  { addresses, log }: { addresses: AddressPolicy; log: Logger },
  { redisUrl, prefix, webhooks }: DeliveryOptions,
): Promise<Pick<Courier, 'stop'> | undefined> {
  if (webhooks.secretKeys.length === 0) return undefined
  const redis = await connectRedis({ url: redisUrl, name: 'claude-fleet-webhooks', log, mode: 'worker' })
  const { secretKeys } = webhooks
  const courier = createCourier({ redis, log, send: createSender(addresses) }, { prefix, secretKeys })
  try {
    await courier.start()
  } catch (error) {
    await redis.close()
    throw error
  }
  let stopping: Promise<void> | undefined
  async function stop(deadlineMs: number): Promise<void> {
    await courier.stop(deadlineMs)
    await redis.close()
  }
  return { stop: (deadlineMs) => (stopping ??= stop(deadlineMs)) }
}
