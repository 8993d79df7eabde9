import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRawRedis } from '../support/raw-redis.js'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
})
afterAll(() => fleet[Symbol.asyncDispose]())

test('an attempt whose claude is killed in its second tool goes on from the first, which runs once, with the turns that are left', async () => {
  using redis = openRawRedis(fleet.redisUrl)
  await fleet.worker('w1', { FLEET_SPARES: '0' })
  const cwd = join(fleet.workspaceRoot, TEST_TENANT, 'resume')
  const prompt =
    'go on [[tool:Bash:{"command":"echo first >> ran; echo out of the first"}]]' +
    '[[tool:Bash:{"command":"echo second >> ran; while [ $(wc -l < ran) -lt 3 ]; do sleep 0.1; done; echo done"}]]' +
    '[[text:both have run]]'
  const backoff = { type: 'fixed' as const, delayMs: 10, jitter: 0 }
  // Beside it one that may have three replies over all its attempts, and is killed in the tool of its second.
  const waits = 'echo b >> few; while [ $(wc -l < few) -lt 2 ]; do sleep 0.1; done'
  const tools = ['echo a', waits, 'echo c', 'echo d'].map((command) => `[[tool:Bash:${JSON.stringify({ command })}]]`)
  const few = { prompt: `three ${tools.join('')}`, maxTurns: 3, attempts: 5 }
  const limited = await fleet.http.enqueue({ ...few, cwd: 'resume', allowedTools: ['Bash'], backoff })
  const job = await fleet.http.enqueue({ prompt, cwd: 'resume', allowedTools: ['Bash'], backoff })
  const seen: string[] = []
  for await (const event of job.events()) {
    if (event.type !== 'text') seen.push(`${event.type} ${event.attempt}`)
    if (event.type !== 'tool_use' || event.attempt > 1 || seen.filter((type) => type === 'tool_use 1').length < 2)
      continue
    await expect.poll(() => linesOf(join(cwd, 'ran'))).toEqual(['first', 'second'])
    // Mirrored some ms after the first tool has ended.
    await expect.poll(() => redis.call('EXISTS', `fleet:transcript:${job.id}`)).toBe(1)
    await expect.poll(() => linesOf(join(cwd, 'few'))).toEqual(['b'])
    await expect.poll(() => redis.call('EXISTS', `fleet:transcript:${limited.id}`)).toBe(1)
    for (const pid of await claudesIn(cwd)) process.kill(pid, 'SIGKILL')
  }
  expect(seen).toEqual([
    'queued 0',
    'started 1',
    'tool_use 1',
    'tool_result 1',
    'tool_use 1',
    'retry 1',
    'started 2',
    'tool_use 2',
    'tool_result 2',
    'completed 2',
  ])
  expect(await job.result()).toMatchObject({ text: 'both have run', attempt: 2, tools: { Bash: 1 } })
  expect(await linesOf(join(cwd, 'ran'))).toEqual(['first', 'second', 'second'])
  const turns = fleet.model.ledger.turns().filter((entry) => entry.prompt.startsWith('go on'))
  expect(turns).toHaveLength(4)
  expect(turns[2]?.raw).toContain('out of the first')
  expect(await redis.call('EXISTS', `fleet:transcript:${job.id}`)).toBe(0)

  await expect(limited.result()).rejects.toMatchObject({ code: 'MAX_TURNS', attempt: 2 })
  const { attempts = [] } = await limited.get()
  // The second had one left. A model that answers within a few ms may get another in before it is stopped.
  expect(attempts.map(({ code, tools: used }) => ({ code, used }))).toEqual([
    { code: 'PROCESS_CRASHED', used: { Bash: 2 } },
    { code: 'MAX_TURNS', used: { Bash: expect.toBeOneOf([1, 2]) as number } },
  ])
})

const linesOf = async (file: string) =>
  (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')

/** Processes whose working folder this is and that are claude itself. */
async function claudesIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [cwd, command] = await Promise.all([
        readlink(`/proc/${pid}/cwd`).catch(() => ''),
        readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      ])
      return cwd === folder && command.includes('--input-format=stream-json') ? [Number(pid)] : []
    }),
  )
  return found.flat()
}
