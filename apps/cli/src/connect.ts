import { FleetClient } from '@claude-fleet/client'
import { readClientSettings, SettingsError } from '@claude-fleet/core'
import type { Terminal } from './terminal.js'

type Asker = Pick<Terminal, 'env' | 'readFile'>

/**
 * Calls `use` with a client of the fleet that the settings name, `FLEET_URL` else `REDIS_URL`, and closes it. Rejects
 * with SettingsError when neither is set.
 */
export async function withClient<T>(terminal: Asker, use: (client: FleetClient) => Promise<T>): Promise<T> {
  return closing(await connectClient(terminal), use)
}

/** As `withClient`, for what the API alone can tell. */
export async function withApi<T>(terminal: Asker, use: (client: FleetClient) => Promise<T>): Promise<T> {
  if (readClientSettings(terminal).url === undefined) {
    throw new SettingsError('FLEET_URL', 'is not set; this command asks the API, such as http://127.0.0.1:3000')
  }
  return withClient(terminal, use)
}

async function closing<T>(client: FleetClient, use: (client: FleetClient) => Promise<T>): Promise<T> {
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

async function connectClient(terminal: Asker): Promise<FleetClient> {
  const settings = readClientSettings(terminal)
  if (settings.url !== undefined) return FleetClient.connect({ url: settings.url, apiKey: settings.apiKey })
  if (settings.redisUrl !== undefined) return FleetClient.connect({ redis: settings.redisUrl, prefix: settings.prefix })
  throw new SettingsError(
    'FLEET_URL',
    'is not set; give the address of the API, such as http://127.0.0.1:3000, or REDIS_URL',
  )
}
