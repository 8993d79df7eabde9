import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedRedis, type EmbeddedRedis } from '@claude-fleet/queue/embedded'
import { makeFolder } from './folder.js'

export interface PrivateRedis extends AsyncDisposable {
  url: string
  pid: number
  dataDir: string
  /** Ends it as a crash would; its data stay for a `startRedis({ dataDir })`. */
  kill(): Promise<void>
  /** Halts it, as a machine that swaps or a VM that moves does, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** A Redis for one test file. With `persistence`, what it acknowledged outlives `kill`. Default: in memory only. */
export async function startRedis(
  options: { dataDir?: string; port?: number; password?: string; persistence?: boolean } = {},
) {
  const folder = await makeFolder()
  const { dataDir = folder.path, port, password, persistence = options.dataDir !== undefined } = options
  const cacheDir = join(tmpdir(), 'redis-server')
  const redis = await startEmbeddedRedis({ dataDir, cacheDir, port, password, persistence })
  return { ...controls(redis), dataDir, ...endings(redis, folder.remove) } satisfies PrivateRedis & { port: number }
}

function controls(redis: EmbeddedRedis) {
  return {
    url: redis.url,
    port: redis.port,
    pid: redis.pid,
    freeze: () => void process.kill(redis.pid, 'SIGSTOP'),
    thaw: () => void process.kill(redis.pid, 'SIGCONT'),
    async kill() {
      process.kill(redis.pid, 'SIGKILL')
      await redis.exited
    },
  }
}

function endings(redis: EmbeddedRedis, removeFolder: () => Promise<void>) {
  const stop = async () => {
    await redis.stop()
    await removeFolder()
  }
  return { stop, [Symbol.asyncDispose]: stop }
}
