import type { StartSession } from '@claude-fleet/claude'
import { FleetError } from '@claude-fleet/core'

/**
 * The same, but only sessions of the claude that this worker has found at its start are given out. Another one, after an
 * update of the host, is ended before it gets a prompt: nobody has tried the fleet with it, and two versions of one worker
 * would answer differently. `onOther` is told its version. The attempt rejects with FleetError `SPAWN_FAILED`.
 */
export function pinnedStart(start: StartSession, version: string, onOther: (found: string) => void): StartSession {
  return async (...args) => {
    const session = await start(...args)
    // One that does not say its version is as old or as new as its file, which the pool looks at.
    if (session.version === '' || session.version === version) return session
    onOther(session.version)
    await session.close()
    throw new FleetError('SPAWN_FAILED', `claude is ${session.version} now, and this worker began with ${version}`)
  }
}
