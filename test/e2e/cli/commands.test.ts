import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../../support/fleet.js'
import { CLAUDE_FLEET, runNode, startNode } from '../../support/service.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  await fleet.worker('w1')
})
afterAll(() => fleet[Symbol.asyncDispose]())

const cli = (args: string[], env: Record<string, string> = {}, stdin?: string) =>
  runNode([CLAUDE_FLEET, ...args], { env: { ...fleet.clientEnv, ...env }, ...(stdin === undefined ? {} : { stdin }) })

test('a job is enqueued, told, shown, listed and run again', async () => {
  const { stdout, stderr, code } = await cli(['enqueue', '[[text:told]]', '--metadata', 'k=v'])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  const id = stdout.trim()
  expect(await cli(['tail', id])).toMatchObject({ stdout: 'told\n', stderr: '', code: 0 })
  const shown = await cli(['get', id])
  expect(shown.stdout).toMatch(/state\s+completed[^]*metadata k\s+v[^]*told/)
  expect(JSON.parse((await cli(['get', id, '--json'])).stdout)).toMatchObject({ id, result: { text: 'told' } })
  const again = (await cli(['retry', id])).stdout.trim()
  expect(await cli(['tail', again, '--json'])).toMatchObject({ code: 0 })
  const listed = await cli(['jobs', '--state', 'completed', '--limit', '1'])
  expect(listed.stdout).toMatch(new RegExp(`^ID[^]*\\n${again}  completed`))
  expect(listed.stderr).toMatch(/^more: --cursor \S+\n$/)
  const all = (await cli(['jobs', '--all', '--json'])).stdout.trim().split('\n')
  expect(all.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([again, id])
  expect(await cli(['cancel', id])).toMatchObject({ stdout: `${id} had already ended: completed\n`, code: 0 })
})

test('operators see workers and figures over the API, and are told where to ask without it', async () => {
  const workers = await cli(['workers'])
  expect(workers.stdout).toMatch(/^ID\s+HOST[^]*\nw1\s+.*\s\d\/2\s/)
  expect(JSON.parse((await cli(['workers', '--json'])).stdout)).toMatchObject({ items: [{ id: 'w1', limit: 2 }] })
  expect((await cli(['stats'])).stdout).toMatch(/^jobs[^]*\nqueue wait\s+p50/)
  expect(JSON.parse((await cli(['stats', '--json'])).stdout)).toHaveProperty('jobs.waiting')
  const redisOnly = { FLEET_URL: '', FLEET_API_KEY: '', REDIS_URL: fleet.redisUrl }
  const refused = await cli(['workers'], redisOnly)
  expect(refused.stderr).toMatch(/^claude-fleet: FLEET_URL: is not set/)
  expect(refused.code).toBe(78)
  const nobody = await cli(['workers', 'drain', 'nobody', '--json'])
  expect(JSON.parse(nobody.stderr)).toMatchObject({ error: { code: 'NOT_FOUND' }, exitCode: 1 })
})

test('exit codes: failed 1, usage 2, unreachable 69, settings 78, timed out 124', async () => {
  expect(await cli(['run', '[[status:400]] no'])).toMatchObject({ code: 1, stdout: '' })
  for (const args of [
    ['run'],
    ['nonsense'],
    ['get', 'meta'],
    ['jobs', '--state', 'x'],
    ['run', 'p', '--attempts', '0'],
  ])
    expect({ args, code: (await cli(args)).code }).toEqual({ args, code: 2 })
  expect((await cli(['jobs'], { FLEET_URL: 'http://127.0.0.1:1' })).code).toBe(69)
  expect((await cli(['jobs'], { FLEET_URL: '', FLEET_API_KEY: '' })).code).toBe(78)
  expect((await cli(['jobs'], { FLEET_API_KEY: 'wrong' })).code).toBe(78)
  expect((await cli(['run', '[[hang]]', '--timeout-ms', '1000', '--attempts', '1'])).code).toBe(124)
})

test('Ctrl-C cancels what runs; tail leaves at once', async () => {
  const slow = '[[bytes:600]][[slow:600,100]]'
  const running = startNode([CLAUDE_FLEET, 'run', slow, '--json'], { env: fleet.clientEnv })
  const [, id = ''] = await running.line(/"jobId":"([^"]+)".*"type":"text"/)
  const tail = startNode([CLAUDE_FLEET, 'tail', id, '--json'], { env: fleet.clientEnv })
  await tail.line(/"type":"text"/)
  tail.signal('SIGINT')
  expect(await tail.ended).toMatchObject({ code: 130 })
  running.signal('SIGINT')
  expect(await running.ended).toMatchObject({ code: 130 })
  expect(await fleet.http.job(id).get()).toMatchObject({ state: 'cancelled' })
})

test('a shell is told what may come next', async () => {
  const complete = async (...words: string[]) => (await cli(['__complete', '--', ...words])).stdout.trim().split('\n')
  expect(await complete('ca')).toEqual(['cancel'])
  expect(await complete('jobs', '--state', 'f')).toEqual(['failed'])
  expect(await complete('run', '--max')).toEqual(['--max-turns', '--max-budget-usd'])
  expect(await complete('get', '')).toContainEqual(expect.stringMatching(/^j_/))
  expect((await cli(['completion', 'bash'])).stdout).toContain('complete -o default -F _claude_fleet claude-fleet')
})

test('a worker is drained from afar, ends by itself and is on the list no more', async () => {
  const second = await fleet.worker('w2')
  const drained = await cli(['workers', 'drain', 'w2'])
  expect(drained).toMatchObject({ code: 0, stdout: 'w2 is draining\n', stderr: '' })
  expect(await second.ended).toMatchObject({ code: 0 })
  const { items } = JSON.parse((await cli(['workers', '--json'])).stdout) as { items: { id: string }[] }
  expect(items.map(({ id }) => id)).toEqual(['w1'])
})
