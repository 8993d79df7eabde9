import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedRedis } from '../embedded/index.js'

/** A private Redis of one test file, with its data in a folder of its own. */
export interface TestRedis {
  url: string
  pid: number
  dataDir: string
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Starts a Redis on a socket; `dataDir` is the folder of an earlier one that was killed. */
export async function startTestRedis(options: { dataDir?: string } = {}): Promise<TestRedis> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'fleet-redis-')))
  // Kept between runs, as the server would have to be fetched for each test file otherwise.
  const cacheDir = join(homedir(), '.cache', 'claude-fleet')
  const server = await startEmbeddedRedis({ dataDir, cacheDir, unixSocket: join(dataDir, 'redis.sock') })
  return {
    dataDir,
    url: server.url,
    pid: server.pid,
    async kill() {
      process.kill(server.pid, 'SIGKILL')
      await server.exited
    },
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
