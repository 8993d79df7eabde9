import { FleetError } from '@claude-fleet/core'
import type { RedisConnection } from '../types.js'

/** Being built. */
export async function checkRedis(_redis: RedisConnection): Promise<void> {
  throw new FleetError('INTERNAL', 'not built yet')
}
