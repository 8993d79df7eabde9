import type { SettingsSource, WorkerSettings } from '@claude-fleet/core'
import type { Check } from './check.js'
import { checkCredentials } from './credentials.js'
import { checkClaude, checkFolders, checkLimits, checkProcessCare } from './host.js'

/** Looks at all a worker on this host would need, but for Redis. Leaves nothing behind. Never rejects. */
export async function diagnoseWorker(
  settings: WorkerSettings,
  source: SettingsSource,
  options: { path: string; online: boolean; signal: AbortSignal },
): Promise<Check[]> {
  const groups = await Promise.all([
    checkClaude(settings, options.path),
    checkProcessCare(options.path),
    checkCredentials(settings, source, options),
    checkFolders(settings),
    checkLimits(settings),
  ])
  return groups.flat()
}
