import { tmpdir } from 'node:os'
import { runChecks, type Check, type SettingsSource, type WorkerSettings } from '@claude-fleet/core'
import { capacityOf } from '../host/capacity.js'
import { readHostResources } from '../host/resources.js'
import { claudeChecks } from './claude.js'
import { credentialChecks, secretFileChecks } from './credentials.js'
import { folderChecks } from './folders.js'
import { limitChecks } from './limits.js'
import { processCheck } from './processes.js'

export interface DiagnoseOptions {
  /** PATH in which `claude` and the tools of the system are looked for. */
  path: string
  /** Also ask the API whether it takes each credential. */
  online: boolean
  signal: AbortSignal
}

const LOOK_MS = 5_000
/** Of a claude that is read from a slow disk for the first time. */
const CLAUDE_MS = 8_000

/**
 * Looks at all that a worker on this host would need, but for Redis: claude, credentials, folders, limits, and how
 * processes are ended. Leaves nothing behind. Takes at most 8 s and never rejects; no check holds a secret.
 */
export async function diagnoseWorker(
  settings: Omit<WorkerSettings, 'redisUrl'>,
  source: SettingsSource,
  { path, online, signal }: DiagnoseOptions,
): Promise<readonly Check[]> {
  const { concurrency: sessions, spares } = capacityOf(await readHostResources(), settings)
  const groups = await Promise.all([
    runChecks({ name: 'claude.starts', ms: CLAUDE_MS }, () => claudeChecks(settings.claudeBin, path)),
    runChecks({ name: 'credentials.default', ms: CLAUDE_MS }, () => credentialChecks(settings, { online, signal })),
    runChecks({ name: 'credentials.files', ms: LOOK_MS }, () => secretFileChecks(source.env)),
    runChecks({ name: 'folders.workspaces', ms: LOOK_MS }, () => folderChecks({ ...settings, temporary: tmpdir() })),
    runChecks({ name: 'limits.memory', ms: LOOK_MS }, () => limitChecks({ sessions, spares })),
    runChecks({ name: 'processes.ended', ms: LOOK_MS }, () => processCheck(path)),
  ])
  return groups.flat()
}
