import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  await Promise.all([fleet.worker('w1'), fleet.worker('w2')])
})
afterAll(() => fleet[Symbol.asyncDispose]())

const cli = async (...args: string[]) => {
  const { stdout, stderr, code } = await runNode([CLAUDE_FLEET, ...args], { env: fleet.clientEnv })
  return { out: stdout.trim(), stderr, code }
}

test('a session is created, continued, shown, forked, exported, imported and closed from the command line', async () => {
  const { out: id } = await cli('sessions', 'create', '--system-prompt', 'be brief', '--metadata', 'for=test')
  expect(await cli('run', '--session', id, 'plum [[text:noted]]')).toMatchObject({ out: 'noted', code: 0 })
  expect((await cli('run', '--session', id, 'which? [[text:plum]]')).out).toBe('plum')
  expect((await cli('sessions', 'get', id)).out).toMatch(
    /state\s+idle\nturns\s+2, 0 queued[^]*metadata for\s+test[^]*be brief/,
  )
  expect((await cli('sessions')).out).toMatch(new RegExp(`^ID +STATE[^]*\\n${id} +idle +2`))
  expect((await cli('jobs', '--session', id, '-q')).out.split('\n')).toHaveLength(2)

  const fork = (await cli('sessions', 'fork', id)).out
  const { out: memory } = await cli('sessions', 'export', id)
  const file = join(fleet.workspaceRoot, 'memory.jsonl')
  await writeFile(file, `${memory}\n`)
  const imported = (await cli('sessions', 'import', file, '--system-prompt', 'be brief')).out
  for (const [at, one] of [fork, imported].entries()) {
    expect((await cli('run', '--session', one, `again ${at}`)).code).toBe(0)
    expect(
      fleet.model.ledger
        .turns()
        .find(({ prompt }) => prompt === `again ${at}`)
        ?.userTexts.join(),
    ).toContain('plum')
  }

  expect(await cli('sessions', 'close', id)).toMatchObject({ out: `${id} closed`, code: 0 })
  expect(await cli('run', '--session', id, 'late')).toMatchObject({ out: '', code: 1 })
  expect(await cli('sessions', 'get', 'nothing')).toMatchObject({ code: 2 })
}, 90_000)

test('turns that are enqueued at once run in their order, and a close ends the one that runs and those that wait', async () => {
  const { id } = await fleet.http.sessions.create()
  const jobs = []
  for (const at of [1, 2, 3, 4]) jobs.push(await fleet.http.enqueue({ prompt: `turn ${at}`, session: id }))
  await Promise.all(jobs.map((job) => job.result()))
  const times = await Promise.all(jobs.map((job) => job.get()))
  for (const [at, { startedAt = 0 }] of times.entries()) {
    expect(startedAt).toBeGreaterThanOrEqual(times[at - 1]?.finishedAt ?? 0)
  }
  const last = fleet.model.ledger.turns().find(({ prompt }) => prompt === 'turn 4')
  expect(last?.userTexts.filter((text) => text.startsWith('turn '))).toEqual(['turn 1', 'turn 2', 'turn 3', 'turn 4'])

  const running = await fleet.http.enqueue({ prompt: '[[hang]] for good', session: id })
  const waiting = await fleet.http.enqueue({ prompt: 'never', session: id })
  for await (const event of running.events()) if (event.type === 'started') break
  await fleet.http.sessions.close(id)
  await expect(running.result()).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(waiting.result()).rejects.toMatchObject({ code: 'SESSION_CLOSED' })
  expect(fleet.model.ledger.turns().filter(({ prompt }) => prompt === 'never')).toEqual([])
})

test('an option of the conversation on a job, and a session that is not there, are refused with the field', async () => {
  const { id } = await fleet.redis.sessions.create({ cwd: 'here' })
  const errors = [{ path: 'model', message: expect.any(String) as string }]
  const given = fleet.http.enqueue({ prompt: 'x', session: id, model: 'opus' })
  await expect(given).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { errors } })
  const unknown = `s_${createHash('md5')
    .update(id)
    .digest('hex')
    .replace(/[^a-f]/g, 'z')
    .slice(0, 26)}`
  await expect(fleet.http.enqueue({ prompt: 'x', session: unknown })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
