import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'

/** A private Redis for one test file, gone with its data after `stop`. */
export async function startTestRedis(): Promise<{ url: string; pid: number; stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fleet-api-test-'))
  const cacheDir = join(homedir(), '.cache', 'claude-fleet')
  const redis = await startEmbeddedRedis({ dataDir, cacheDir, persistence: false })
  return {
    url: redis.url,
    pid: redis.pid,
    async stop() {
      await redis.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
