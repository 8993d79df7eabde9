import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

test('a key that the API refuses fails its job and holds the others on all workers, until an operator resumes it', async () => {
  await using fleet = await startFleet()
  const workers = await Promise.all(['w1', 'w2'].map((id) => fleet.worker(id, { FLEET_SPARES: '0' })))
  const command = (...args: string[]) => runNode([CLAUDE_FLEET, ...args], { env: fleet.clientEnv })
  const refused = await fleet.http.enqueue({ prompt: '[[status:401]] refused' })
  await expect(refused.result()).rejects.toMatchObject({ code: 'AUTH_FAILED', attempt: 1 })

  const left = await command('run', 'held')
  expect([left.code, left.stderr]).toEqual([
    75,
    expect.stringContaining('parked until its credential is resumed (AUTH_FAILED'),
  ])
  const job = (await fleet.http.jobs({ state: 'parked' })).items[0]
  expect(job).toMatchObject({ state: 'parked', attempt: 0 })
  expect(job).not.toHaveProperty('resumesAt')
  const listed = await command('credentials', 'list', '--json')
  expect(JSON.parse(listed.stdout)).toMatchObject({
    items: [{ name: 'default', state: 'broken', code: 'AUTH_FAILED', jobs: 1 }],
  })
  expect((await command('credentials', 'list')).stdout).toMatch(/default\s+broken\s+1\s+AUTH_FAILED: /)
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text()
  expect(metrics).toContain('claude_fleet_credentials{state="broken"} 1')
  await expect
    .poll(async () => (await fleet.http.workers()).map(({ pausedReason }) => pausedReason), { timeout: 20_000 })
    .toEqual(Array(2).fill('refused by the API until resumed: default'))
  const prompts = () =>
    fleet.model.ledger
      .entries()
      .filter(({ kind }) => kind !== 'side')
      .map(({ prompt }) => prompt)
  expect(new Set(prompts())).toEqual(new Set(['[[status:401]] refused']))

  expect(await command('credentials', 'resume', 'nobody')).toMatchObject({ code: 1, stdout: '' })
  const resumed = await command('credentials', 'resume', 'default')
  expect([resumed.code, resumed.stdout]).toEqual([0, 'default is trying; jobs held: 0\n'])
  expect(await fleet.http.job(job?.id ?? '').result()).toMatchObject({ text: 'Echo: held', attempt: 1 })
  expect((await fleet.http.credentials.list())[0]).toMatchObject({ state: 'open', jobs: 0 })
  await Promise.all(workers.map((worker) => worker.stop()))
}, 60_000)
