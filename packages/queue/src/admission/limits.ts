import { createHash } from 'node:crypto'
import { canonicalJson, FleetError, type TenantLimits } from '@claude-fleet/core'
import { createKeys } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { RedisConnection } from '../types.js'

const CALL_MS = 5_000

/** The limits of tenants, which are in Redis: what one process publishes holds for the whole fleet. */
export interface Limits {
  /** Makes these the limits of the fleet. Rejects with FleetError `UNAVAILABLE`. */
  publish(tenants: ReadonlyMap<string, TenantLimits>): Promise<void>
  /** Are these the limits that hold? Publishes them where there are none. `foreign`: another process has published others. */
  compare(tenants: ReadonlyMap<string, TenantLimits>): Promise<'same' | 'foreign'>
  /** Are there any? */
  exist(): Promise<boolean>
  /** Counts a call of the HTTP API. Rejects with FleetError `TOO_MANY_REQUESTS`, with when to come again. */
  request(tenant: string): Promise<void>
}

export function createLimits({ redis }: { redis: RedisConnection }, { prefix }: { prefix: string }): Limits {
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const call = <T>(work: Promise<T>) => within(CALL_MS, work, 'Redis did not answer')

  async function write(tenants: ReadonlyMap<string, TenantLimits>, onlyIfNone: boolean): Promise<string | undefined> {
    const pairs = [...tenants].flatMap(([tenant, limits]) => [tenant, JSON.stringify(limits)])
    const args = [prefix, '', digestOf(tenants), onlyIfNone ? '1' : '0', ...pairs]
    const [digest] = await call(runScript(client, 'fleetPublishLimits', keys.limits, args))
    return digest
  }

  return {
    async publish(tenants) {
      await write(tenants, false)
    },
    async compare(tenants) {
      return (await write(tenants, true)) === digestOf(tenants) ? 'same' : 'foreign'
    },
    exist: async () => (await call(client.exists(keys.limits))) === 1,
    async request(tenant) {
      const [word, ms, most] = await call(runScript(client, 'fleetCountRequest', keys.limits, [prefix, '', tenant]))
      if (word !== 'wait') return
      throw new FleetError('TOO_MANY_REQUESTS', `this tenant may send ${most} requests a minute`, {
        details: { retryAfterMs: Number(ms) },
      })
    },
  }
}

function digestOf(tenants: ReadonlyMap<string, TenantLimits>): string {
  return createHash('sha256')
    .update(canonicalJson(Object.fromEntries(tenants)))
    .digest('hex')
    .slice(0, 16)
}
