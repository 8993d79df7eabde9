import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '@claude-fleet/queue'

/** How often `alive` is renewed, ms. A probe should allow several times that. */
const TOUCH_MS = 5_000

/** Two files by which a probe on the same host tells how a worker is, without Redis and without a port. */
export interface HealthFiles {
  /** Redis has taken a heartbeat: renews `ready`. */
  beaten(): void
  /** It claims no more: `ready` goes at once, `alive` stays until `close`. */
  draining(): Promise<void>
  /** Removes both files. */
  close(): Promise<void>
}

/**
 * Keeps `alive` and `ready` in `folder`, which is made when missing.
 *
 * `alive` is renewed every 5 s while this process runs at all, also when Redis is away: whoever restarts a worker on it
 * must not end running attempts because of Redis. `ready` is renewed when a heartbeat was taken, and is missing when
 * the worker drains. The age of a file is what counts: a killed worker leaves both behind.
 *
 * Rejects when `folder` cannot be written. Later failures are logged.
 */
export async function createHealthFiles(folder: string, log: Log): Promise<HealthFiles> {
  const alive = join(folder, 'alive')
  const ready = join(folder, 'ready')
  let open = true
  let writing = Promise.resolve()

  /** One after the other, so that a slow write cannot bring back what was removed after it. */
  function next(step: () => Promise<void>): Promise<void> {
    writing = writing.then(step).catch((err: unknown) => log.warn({ err, folder }, 'a health file was not written'))
    return writing
  }

  const touch = (path: string) => writeFile(path, `${process.pid}\n`)

  await mkdir(folder, { recursive: true })
  await rm(ready, { force: true })
  await touch(alive)
  const timer = setInterval(() => void next(() => touch(alive)), TOUCH_MS)
  return {
    beaten() {
      void next(() => (open ? touch(ready) : Promise.resolve()))
    },
    draining() {
      open = false
      return next(() => rm(ready, { force: true }))
    },
    close() {
      open = false
      clearInterval(timer)
      return next(async () => {
        await rm(ready, { force: true })
        await rm(alive, { force: true })
      })
    },
  }
}
