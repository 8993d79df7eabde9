import { FleetError } from '@claude-fleet/core'
import type { Log, RedisConnection } from '../types.js'

export interface ConnectOptions {
  url: string
  name: string
  log?: Log | undefined
  mode: 'api' | 'worker'
}

/** Being built. */
export async function connectRedis(_options: ConnectOptions): Promise<RedisConnection> {
  throw new FleetError('INTERNAL', 'not built yet')
}
