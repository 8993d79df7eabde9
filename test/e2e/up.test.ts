import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { startSimulator } from '@claude-fleet/simulator'
import { expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { startFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, startNode } from '../support/service.js'

test('up runs a fleet on a private Redis, and a signal ends all of it', async () => {
  await using folder = await makeFolder()
  const model = await startSimulator()
  const up = startNode([CLAUDE_FLEET, 'up'], {
    env: {
      FLEET_API_PORT: '0',
      FLEET_BOARD_PORT: '0',
      FLEET_STATE_DIR: join(folder.path, 'state'),
      FLEET_WORKSPACE_ROOT: join(folder.path, 'ws'),
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: 'k',
    },
  })
  const [, url = ''] = await up.line(/is up: (\S+)/)
  const fleet = await FleetClient.connect({ url })
  const job = await fleet.enqueue({ prompt: 'are you up?' })
  expect((await job.result()).text).toBe('Echo: are you up?')
  await fleet.close()
  expect((await up.stop(30_000)).code).toBe(0)
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed')
  await model.close()
})

test('a usage limit parks the job until its reset, without an attempt spent; cancel ends it', async () => {
  await using fleet = await startFleet()
  await fleet.worker('w1', { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-simulated' })
  const job = await fleet.http.enqueue({ prompt: '[[usage-limit:3600]] later' })
  for await (const event of job.events()) {
    if (event.type !== 'parked') continue
    expect(event.error.code).toBe('USAGE_LIMIT')
    expect(event.resumesAt).toBeGreaterThan(Date.now() + 3_000_000)
    expect(await job.get()).toMatchObject({ state: 'parked', resumesAt: event.resumesAt })
    await job.cancel()
  }
  expect(await job.get()).toMatchObject({ state: 'cancelled' })
})
