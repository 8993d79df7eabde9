import { randomBytes } from 'node:crypto'
import {
  FleetError,
  LIMITS,
  TENANT_PATTERN,
  WEBHOOK_ID_PATTERN,
  type DeliveryView,
  type WebhookPatch,
  type WebhookSpec,
  type WebhookView,
  type WebhookWithSecret,
} from '@claude-fleet/core'
import { newWebhookId } from '../ids.js'
import type { QueueDeps } from '../jobs/producer.js'
import { createKeys } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import { readDelivery, viewOfDelivery } from './delivery.js'
import { ownerOf, readRecord, viewOfHook, type SealedSecret } from './record.js'
import { createVault } from './vault.js'

const CALL_MS = 5_000
/** The specification asks for 24 to 64. */
const SECRET_BYTES = 32
/** Older ones are dropped by a rotation, whatever their overlap. */
const OLD_SECRETS_MAX = 3

export interface WebhooksOptions {
  prefix: string
  /** 32 bytes each. The first one encrypts secrets, all of them decrypt. Empty: the operator wants no webhooks. */
  secretKeys: readonly Uint8Array[]
}

/**
 * The webhook endpoints of tenants. An endpoint of another tenant does not exist: undefined. Each call ends within 5 s
 * or rejects with FleetError `UNAVAILABLE`; without keys each rejects with `FORBIDDEN`.
 */
export interface Webhooks {
  /** Rejects with `CONFLICT` when the tenant has as many as it may. The secret is shown here alone. */
  create(tenant: string, spec: WebhookSpec): Promise<WebhookWithSecret>
  /** Oldest first. */
  list(tenant: string): Promise<WebhookView[]>
  get(tenant: string, id: string): Promise<WebhookView | undefined>
  /** Enabled, it goes on with what waits for it. */
  update(tenant: string, id: string, patch: WebhookPatch): Promise<WebhookView | undefined>
  /** What waits for it is not sent. */
  remove(tenant: string, id: string): Promise<boolean>
  /** Makes a new secret; the old one signs beside it for `overlapMs`. */
  rotate(tenant: string, id: string, overlapMs: number): Promise<WebhookWithSecret | undefined>
  /** The last ones, newest first. */
  deliveries(tenant: string, id: string, limit: number): Promise<DeliveryView[] | undefined>
  /** Sends a test event. Rejects with `CONFLICT` when the endpoint is disabled. */
  test(tenant: string, id: string): Promise<DeliveryView | undefined>
}

export function createWebhooks({ redis, log }: QueueDeps, { prefix, secretKeys }: WebhooksOptions): Webhooks {
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const vault = secretKeys.length === 0 ? undefined : createVault(secretKeys)
  const now = async () => Number((await client.time())[0]) * 1_000

  function newSecret(tenant: string, id: string): { secret: string; stored: SealedSecret } {
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
    return { secret, stored: { sealed: usable().seal(secret, ownerOf(tenant, id)) } }
  }

  function usable() {
    if (vault !== undefined) return vault
    throw new FleetError('FORBIDDEN', 'the operator has not set FLEET_WEBHOOK_KEY, so there are no webhooks', {
      retryable: false,
    })
  }

  async function record(tenant: string, id: string) {
    if (!WEBHOOK_ID_PATTERN.test(id)) return undefined
    const fields = await client.hgetall(keys.hook(id))
    if (fields['tenant'] !== tenant) return undefined
    const found = readRecord(fields)
    if (found === undefined) log.error({ webhook: id }, 'the record of a webhook is broken')
    return found
  }

  async function get(tenant: string, id: string): Promise<WebhookView | undefined> {
    const found = await record(tenant, id)
    return found && viewOfHook(id, found, await client.zcard(keys.hookDue(id)), await now())
  }

  /** `max`: it is new. `secrets`: what they were when they were read; two rotations at once must not lose one's secret. */
  async function write(
    tenant: string,
    id: string,
    fields: Record<string, string>,
    { max = '', secrets = '' }: { max?: number | ''; secrets?: string | undefined } = {},
  ) {
    const args = [prefix, id, tenant, max, secrets, ...Object.entries(fields).flat()]
    const [word] = await runScript(client, 'fleetHookWrite', keys.hook(id), args)
    if (word === 'full') {
      throw new FleetError('CONFLICT', `there are ${LIMITS.webhooks} webhooks already; delete one`, {
        retryable: false,
      })
    }
    if (word === 'changed') throw new FleetError('CONFLICT', 'the webhook is being rotated by another call')
    return word === 'ok'
  }

  async function create(tenant: string, spec: WebhookSpec): Promise<WebhookWithSecret> {
    if (!TENANT_PATTERN.test(tenant)) throw new FleetError('INVALID_REQUEST', 'the tenant is not a tenant name')
    const id = newWebhookId()
    const { secret, stored } = newSecret(tenant, id)
    await write(tenant, id, { ...fieldsOf(spec), secrets: JSON.stringify([stored]) }, { max: LIMITS.webhooks })
    return { ...mustBe(await get(tenant, id)), secret }
  }

  async function list(tenant: string): Promise<WebhookView[]> {
    const ids = await client.zrange(keys.hooks(tenant), '0', '-1')
    const views = await Promise.all(ids.map((id) => get(tenant, id)))
    return views.filter((view) => view !== undefined)
  }

  async function update(tenant: string, id: string, patch: WebhookPatch): Promise<WebhookView | undefined> {
    if ((await record(tenant, id)) === undefined) return undefined
    return (await write(tenant, id, fieldsOf(patch))) ? get(tenant, id) : undefined
  }

  async function remove(tenant: string, id: string): Promise<boolean> {
    if (!WEBHOOK_ID_PATTERN.test(id)) return false
    const [word] = await runScript(client, 'fleetHookDelete', keys.hook(id), [prefix, id, tenant])
    return word === 'ok'
  }

  async function rotate(tenant: string, id: string, overlapMs: number): Promise<WebhookWithSecret | undefined> {
    const secrets = WEBHOOK_ID_PATTERN.test(id) ? await client.hget(keys.hook(id), 'secrets') : null
    const found = await record(tenant, id)
    if (found === undefined) return undefined
    const at = await now()
    const { secret, stored } = newSecret(tenant, id)
    const old = found.secrets
      .map(({ sealed, until }) => ({ sealed, until: Math.min(until ?? Infinity, at + overlapMs) }))
      .filter(({ until }) => until > at)
      .slice(0, OLD_SECRETS_MAX)
    const fields = { secrets: JSON.stringify([stored, ...old]) }
    if (!(await write(tenant, id, fields, { secrets: secrets ?? undefined }))) return undefined
    return { ...mustBe(await get(tenant, id)), secret }
  }

  async function deliveries(tenant: string, id: string, limit: number): Promise<DeliveryView[] | undefined> {
    if ((await record(tenant, id)) === undefined) return undefined
    const ids = await client.zrevrange(keys.hookLog(id), 0, limit - 1)
    const pipeline = client.pipeline()
    for (const one of ids) pipeline.hgetall(keys.delivery(one))
    const replies = (await pipeline.exec()) ?? []
    return ids.flatMap((one, at) => {
      const found = readDelivery((replies[at]?.[1] ?? {}) as Record<string, string>)
      return found === undefined || found.endpoint !== id ? [] : [viewOfDelivery(one, found)]
    })
  }

  async function sendTest(tenant: string, id: string): Promise<DeliveryView | undefined> {
    if (!WEBHOOK_ID_PATTERN.test(id)) return undefined
    const delivery = `test_${randomBytes(8).toString('hex')}_${id}`
    const [word] = await runScript(client, 'fleetHookTest', keys.hook(id), [prefix, id, tenant, delivery])
    if (word === 'missing') return undefined
    if (word === 'disabled') throw new FleetError('CONFLICT', 'the webhook is disabled', { retryable: false })
    const found = readDelivery(await client.hgetall(keys.delivery(delivery)))
    if (found === undefined) throw new FleetError('CONFLICT', 'too many deliveries wait for this webhook')
    return viewOfDelivery(delivery, found)
  }

  async function call<T>(work: () => Promise<T>): Promise<T> {
    usable()
    return within(CALL_MS, work(), 'Redis did not answer')
  }
  return {
    create: (tenant, spec) => call(() => create(tenant, spec)),
    list: (tenant) => call(() => list(tenant)),
    get: (tenant, id) => call(() => get(tenant, id)),
    update: (tenant, id, patch) => call(() => update(tenant, id, patch)),
    remove: (tenant, id) => call(() => remove(tenant, id)),
    rotate: (tenant, id, overlapMs) => call(() => rotate(tenant, id, overlapMs)),
    deliveries: (tenant, id, limit) => call(() => deliveries(tenant, id, limit)),
    test: (tenant, id) => call(() => sendTest(tenant, id)),
  }
}

function fieldsOf({ url, events, description, enabled }: WebhookPatch): Record<string, string> {
  return {
    ...(url === undefined ? {} : { url }),
    ...(events === undefined ? {} : { events: events.join(',') }),
    ...(description === undefined ? {} : { description }),
    ...(enabled === undefined ? {} : { enabled: enabled ? '1' : '0' }),
  }
}

function mustBe<T>(value: T | undefined): T {
  if (value === undefined) throw new FleetError('CONFLICT', 'the webhook was deleted meanwhile')
  return value
}
