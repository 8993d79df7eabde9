import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { installFakeClaude, parseSpendLog } from '@claude-fleet/simulator'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { CLAUDE_FLEET, startNode } from '../support/service.js'
import { streaming } from './cases/case.js'
import { startSentineled } from './rig/sentinel.js'

// In `npm run faults` alone, as the long cases are.
const long = process.env['FAULT_RUNS'] !== undefined

test.runIf(long)(
  'a fleet on Sentinel goes on with the replica when the master is killed',
  { timeout: 180_000 },
  async () => {
    const folder = await makeFolder()
    await using redis = await startSentineled(folder.path)
    const log = join(folder.path, 'spend')
    await using worker = startNode([CLAUDE_FLEET, 'worker'], {
      env: {
        REDIS_URL: redis.url,
        FLEET_WORKER_ID: 'first',
        FLEET_CONCURRENCY: '4',
        FLEET_SPARES: '0',
        // A used process would be sent a prompt of the fleet's own, to be as new.
        FLEET_SESSION_IDLE_MS: '0',
        FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
        FLEET_STATE_DIR: join(folder.path, 'state'),
        CLAUDE_BIN: await installFakeClaude({ folder: folder.path, log }),
        ANTHROPIC_API_KEY: 'sk-canary-of-the-worker',
      },
    })
    await worker.message((message) => ((message as { type?: string }).type === 'ready' ? true : undefined))
    const fleet = await FleetClient.connect({ redis: redis.url, tenant: 'acme' })
    const running = await Promise.all([1, 2, 3].map(() => fleet.enqueue({ prompt: streaming(8_000) })))
    const prompts = async () =>
      parseSpendLog(await readFile(log, 'utf8')).filter(({ event }) => event === 'prompt').length
    await expect.poll(() => prompts().catch(() => 0), { timeout: 20_000 }).toBe(3)
    const waiting = await fleet.enqueue({ prompt: streaming(100), delayMs: 3_000 })
    await redis.replicated()
    await redis.failOver()

    for (const job of [...running, waiting]) {
      expect((await job.result({ signal: AbortSignal.timeout(90_000) })).text.length).toBeGreaterThan(0)
      expect(await job.get()).toMatchObject({ state: 'completed', attempt: 1 })
    }
    const next = await fleet.enqueue({ prompt: streaming(100) })
    expect((await next.result({ signal: AbortSignal.timeout(60_000) })).attempt).toBe(1)
    expect(await prompts()).toBe(5)
    await fleet.close()
    await worker.stop()
    await folder.remove()
  },
)
