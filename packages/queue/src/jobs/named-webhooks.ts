import { invalidInput } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'

/**
 * Throws FleetError `INVALID_REQUEST` for a webhook that the tenant does not have: a job that names what is not there
 * would end and tell nobody. `path`: of the field that names it.
 */
export async function checkNamedWebhooks(
  { client, keys }: { client: Redis; keys: Keys },
  tenant: string,
  named: readonly { id: string | undefined; path: string }[],
): Promise<void> {
  const known = new Map<string, boolean>()
  for (const { id, path } of named) {
    if (id === undefined) continue
    if (!known.has(id)) known.set(id, (await client.hget(keys.hook(id), 'tenant')) === tenant)
    if (known.get(id) !== true) throw invalidInput([{ path, message: 'is no webhook of this tenant' }])
  }
}
