import { scheduleSpecSchema } from '@claude-fleet/core'
import { connectRedis, createSchedules } from '@claude-fleet/queue'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
})
afterAll(() => fleet[Symbol.asyncDispose]())

const cli = (...args: string[]) => runNode([CLAUDE_FLEET, ...args], { env: fleet.clientEnv })

test('workers make the jobs of a schedule and run them, one a time, also after one of them was killed', async () => {
  const redis = await connectRedis({ url: fleet.redisUrl, name: 'test', mode: 'api' })
  const schedules = createSchedules({ redis, log: QUIET }, { prefix: 'fleet', retentionMs: 60_000 })
  const daily = scheduleSpecSchema.parse({ cron: '@daily', overlap: 'allow', job: { prompt: '[[text:on time]]' } })
  // Callers may not ask for every second.
  const { id } = await schedules.create(TEST_TENANT, { ...daily, cron: '* * * * * *' })
  const made = async () => (await fleet.http.schedules.history(id)).filter(({ outcome }) => outcome === 'enqueued')
  const first = await fleet.worker('first')
  await expect.poll(async () => (await made()).length, { timeout: 20_000 }).toBeGreaterThan(1)
  first.signal('SIGKILL')
  await first.ended
  await fleet.worker('second')
  const killedAt = Date.now()
  await expect
    .poll(async () => (await made()).filter(({ at }) => at > killedAt).length, { timeout: 20_000 })
    .toBeGreaterThan(1)
  await fleet.http.schedules.update(id, { enabled: false })
  const runs = await made()
  expect(new Set(runs.map(({ at }) => at)).size).toBe(runs.length)
  const last = fleet.http.job(runs[0]?.jobId ?? '')
  expect(await last.result()).toMatchObject({ text: 'on time', worker: 'second' })
  expect(await last.get()).toMatchObject({ schedule: id })
  await schedules.close()
  await redis.close()
}, 60_000)

test('the command line creates, lists, shows, runs, pauses, resumes and deletes schedules', async () => {
  const created = await cli(
    'schedules',
    'create',
    '30 7 * * MON-FRI',
    'Say hi',
    '--time-zone',
    'Asia/Tokyo',
    '--name',
    'n',
  )
  expect(created).toMatchObject({ stderr: '', code: 0, stdout: expect.stringMatching(/^c_[a-z2-7]{26}\n$/) as string })
  const id = created.stdout.trim()
  expect((await cli('schedules')).stdout).toMatch(new RegExp(`^ID[^]*\\n${id}  30 7 \\* \\* MON-FRI  Asia/Tokyo  in `))
  const ids = (await cli('schedules', '--all', '--json')).stdout.trim().split('\n')
  expect(ids.map((line) => (JSON.parse(line) as { id: string }).id)).toContain(id)
  const job = (await cli('schedules', 'run', id)).stdout.trim()
  expect(await cli('tail', job)).toMatchObject({ stdout: 'Echo: Say hi\n', code: 0 })
  expect((await cli('get', job)).stdout).toMatch(new RegExp(`schedule\\s+${id}`))
  expect((await cli('schedules', 'history', id)).stdout).toMatch(new RegExp(`enqueued.*manual.*${job}`))
  expect((await cli('schedules', 'pause', id)).stdout).toBe(`${id} paused\n`)
  expect((await cli('schedules', 'get', id)).stdout).toMatch(/next\s+paused[^]*prompt\s+Say hi/)
  expect((await cli('schedules', 'resume', id)).stdout).toMatch(/ resumed, next \d{4}-/)
  const complete = (await cli('__complete', '--', 'schedules', 'get', 'c_')).stdout.trim().split('\n')
  expect(complete).toContain(id)
  expect(JSON.parse((await cli('schedules', 'delete', id, '--json')).stdout)).toEqual({ id, deleted: true })
  expect(await cli('schedules', 'get', id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('NOT_FOUND') as string,
  })
  const bad = await cli('schedules', 'create', '* * *', 'p', '--json')
  expect([bad.code, JSON.parse(bad.stderr)]).toMatchObject([2, { error: { details: { errors: [{ path: 'cron' }] } } }])
}, 60_000)

test('a delayed job says when it runs, on the command line too', async () => {
  const id = (await cli('enqueue', 'later', '--delay-ms', '600000')).stdout.trim()
  expect((await cli('get', id)).stdout).toMatch(/state\s+delayed[^]*runs\s+\d{4}-\S+ \(in 9 min/)
  expect(await cli('cancel', id)).toMatchObject({ stdout: `${id} cancelled\n`, code: 0 })
})
