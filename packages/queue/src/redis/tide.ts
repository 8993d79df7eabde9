import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import type { Log } from '../types.js'
import { runScript } from './scripts.js'

/** How often the count is raised, ms: the least that a loss must span to be seen by a process that writes nothing else. */
const COUNT_MS = 1_000
/** Jobs that were acknowledged lately are remembered by name. */
const REMEMBERED = 10_000
const NAMED = 100

/**
 * Notices that Redis came back without writes that it had acknowledged: after a power loss with `appendfsync everysec`,
 * after a failover to a replica that was behind, or when somebody emptied it. Redis itself does not say so.
 */
export interface Tide {
  /** Redis has acknowledged a new job, and counted so far with it. */
  acked(count: number, jobId: string): void
  close(): void
}

/**
 * A count in Redis only rises, and each run of Redis notes where it stood when the run began. A process that was told of a
 * higher one has been told of writes that are gone. On a connection that is made again this is asked before anything
 * else is written, so a loss is seen though others have counted on since.
 */
export function createTide({ client, keys, log }: { client: Redis; keys: Keys; log: Log }): Tide {
  const recent: { count: number; jobId: string }[] = []
  let highest = 0
  let run = ''
  let closed = false
  let asking = false

  async function ask(found?: { jobs: number }): Promise<void> {
    const args = [keys.prefix, '', found === undefined ? '' : '1', found?.jobs ?? 0]
    const [count, nowRun = '', base] = await runScript(client, 'fleetTide', keys.reaper, args)
    const before = { run, highest }
    run = nowRun
    highest = Number(count)
    if (before.run === '') return
    // In the same run the count falls only where somebody has taken the key away.
    const lost = nowRun === before.run ? before.highest >= highest : before.highest > Number(base)
    if (lost) await report(nowRun === before.run ? 0 : Number(base), before.highest)
  }

  async function report(base: number, highestBefore: number): Promise<void> {
    const gone = recent.filter(({ count }) => count > base && count <= highestBefore).map(({ jobId }) => jobId)
    recent.splice(0)
    log.error(
      { jobs: gone.length, jobIds: gone.slice(0, NAMED), writes: highestBefore - base },
      'Redis came back without writes that it had acknowledged: jobs of its last moments are gone, ends written in them come again',
    )
    await ask({ jobs: gone.length })
  }

  function askQuietly(): void {
    if (closed || asking || client.status !== 'ready') return
    asking = true
    ask()
      .catch((err: unknown) => log.debug({ err }, 'the count of Redis could not be raised'))
      .finally(() => (asking = false))
  }

  client.on('ready', askQuietly)
  const timer = setInterval(askQuietly, COUNT_MS).unref()
  askQuietly()
  return {
    acked(count, jobId) {
      highest = Math.max(highest, count)
      recent.push({ count, jobId })
      if (recent.length > 2 * REMEMBERED) recent.splice(0, REMEMBERED)
    },
    close() {
      closed = true
      clearInterval(timer)
      client.off('ready', askQuietly)
    },
  }
}
