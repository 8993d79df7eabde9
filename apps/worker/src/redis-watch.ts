import { isFleetError } from '@claude-fleet/core'
import type { Log } from '@claude-fleet/queue'

/** How often Redis is asked whether it is still fit for jobs, ms. */
const ASK_MS = 10_000

/** Watches that Redis stays what it was found to be at the start. */
export interface RedisWatch {
  close(): void
}

/**
 * Calls `check` every 10 s (`everyMs`) and tells its sentence when Redis has become unfit, such as one whose
 * `maxmemory-policy` was changed and which may now evict jobs; undefined when it is fit again. One that does not answer is not judged.
 */
export function watchRedis(
  { check, log }: { check: () => Promise<void>; log: Log },
  onChange: (reason: string | undefined) => void,
  { everyMs = ASK_MS } = {},
): RedisWatch {
  let reason: string | undefined
  let closed = false
  let timer: NodeJS.Timeout | undefined

  function found(now: string | undefined): void {
    if (closed || now === reason) return
    reason = now
    if (now === undefined) log.warn({}, 'Redis is fit for jobs again; claiming goes on')
    else log.error({ reason: now }, 'Redis is not fit for jobs any more; this worker claims none until it is')
    onChange(now)
  }

  async function ask(): Promise<void> {
    try {
      await check()
      found(undefined)
    } catch (error) {
      if (isFleetError(error) && error.code === 'CONFLICT') found(error.message)
      else log.debug({ err: error }, 'Redis could not be asked whether it is fit')
    }
    if (!closed) timer = setTimeout(() => void ask(), everyMs)
  }

  timer = setTimeout(() => void ask(), everyMs)
  return {
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
