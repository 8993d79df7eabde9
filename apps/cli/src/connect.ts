import { FleetClient } from '@claude-fleet/client'
import { readClientSettings, SettingsError } from '@claude-fleet/core'
import type { Terminal } from './terminal.js'

/**
 * A client of the fleet that the settings name: `FLEET_URL`, else `REDIS_URL`. Rejects with SettingsError when neither
 * is set.
 */
export async function connectClient(terminal: Pick<Terminal, 'env' | 'readFile'>): Promise<FleetClient> {
  const settings = readClientSettings(terminal)
  if (settings.url !== undefined) return FleetClient.connect({ url: settings.url, apiKey: settings.apiKey })
  if (settings.redisUrl !== undefined) return FleetClient.connect({ redis: settings.redisUrl, prefix: settings.prefix })
  throw new SettingsError(
    'FLEET_URL',
    'is not set; give the address of the API, such as http://127.0.0.1:3000, or REDIS_URL',
  )
}
