import { FleetClient } from '@claude-fleet/client'
import { isFleetError, readClientSettings, SettingsError } from '@claude-fleet/core'
import { EXIT } from './exit-code.js'
import type { Terminal } from './terminal.js'

type Asker = Pick<Terminal, 'env' | 'readFile' | 'onSignal' | 'exit'>

/**
 * Calls `use` with a client of the fleet that the settings name, `FLEET_URL` else `REDIS_URL`, and closes it. Ctrl-C ends
 * the process with 130. Rejects with SettingsError when neither is set.
 */
export async function withClient<T>(terminal: Asker, use: (client: FleetClient) => Promise<T>): Promise<T> {
  using _ = terminal.onSignal(() => terminal.exit(EXIT.interrupted))
  return await withOpenClient(terminal, use)
}

/** As `withClient`, for what the API alone can tell. */
export async function withApi<T>(terminal: Asker, use: (client: FleetClient) => Promise<T>): Promise<T> {
  if (readClientSettings(terminal).url === undefined) {
    throw new SettingsError('FLEET_URL', 'is not set; this command asks the API, such as http://127.0.0.1:3000')
  }
  return withClient(terminal, use)
}

/** As `withClient`, but signals are left to `use`. */
export async function withOpenClient<T>(terminal: Asker, use: (client: FleetClient) => Promise<T>): Promise<T> {
  const client = await connectClient(terminal)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

async function connectClient(terminal: Asker): Promise<FleetClient> {
  const { url, apiKey, redisUrl, prefix, jobKey } = readClientSettings(terminal)
  if (url === undefined && redisUrl === undefined) {
    throw new SettingsError(
      'FLEET_URL',
      'is not set; give the address of the API, such as http://127.0.0.1:3000, or REDIS_URL',
    )
  }
  try {
    // Over HTTP the command's own call is the first: it knows what to do when the fleet is away.
    return await FleetClient.connect(
      url === undefined ? { redis: redisUrl ?? '', prefix, jobKey } : { url, apiKey, verify: false },
    )
  } catch (cause) {
    // What the client refuses here came from a setting, not from the command.
    if (!isFleetError(cause) || cause.code !== 'INVALID_REQUEST') throw cause
    throw new SettingsError(url === undefined ? 'REDIS_URL' : 'FLEET_URL', cause.message, { cause })
  }
}
