import type { StreamEvent } from '@claude-fleet/core'
import type { Job } from '@claude-fleet/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  await fleet.worker('w1')
})
afterAll(() => fleet[Symbol.asyncDispose]())

const PROMPT = '[[slow:4,20]][[tool:Bash:{"command":"echo ran"}]][[text:one answer for all]] go'

test('the same prompt over HTTP, Redis and the command line gives the same text, events and result', async () => {
  const input = { prompt: PROMPT, allowedTools: ['Bash'] }
  const [overHttp, overRedis, overCli] = await Promise.all([
    fleet.http.enqueue(input).then(gather),
    fleet.redis.enqueue(input).then(gather),
    runNode([CLAUDE_FLEET, 'run', PROMPT, '--allowed-tools', 'Bash', '--json'], { env: fleet.clientEnv }),
  ])
  expect(overCli.code).toBe(0)
  const cliEvents = overCli.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as StreamEvent)
  const stories = [overHttp, overRedis, cliEvents].map(story)
  expect(stories[0]).toEqual({
    types: ['queued', 'started', 'tool_use', 'tool_result', 'text', 'completed'],
    text: 'one answer for all',
    result: { text: 'one answer for all', tools: { Bash: 1 }, numTurns: 2, attempt: 1, worker: 'w1' },
  })
  expect(stories[1]).toEqual(stories[0])
  expect(stories[2]).toEqual(stories[0])
})

test('run prints the answer and nothing else on stdout', async () => {
  const run = await runNode([CLAUDE_FLEET, 'run', '-'], { env: fleet.clientEnv, stdin: 'hello from stdin' })
  expect(run).toMatchObject({ code: 0, stdout: 'Echo: hello from stdin\n' })
})

test('a late subscriber sees the same events as one that was there', async () => {
  const job = await fleet.http.enqueue({ prompt: '[[slow:6,30]][[text:told to everyone alike]]' })
  const there = await gather(job)
  const late = await Promise.all([gather(fleet.http.job(job.id)), gather(fleet.redis.job(job.id))])
  expect(there.map((event) => event.seq)).toEqual(there.map((_, index) => index + 1))
  expect(late).toEqual([there, there])
})

test('a prompt that looks like a file, a command or a flag is only text', async () => {
  const prompts = ['see @/etc/passwd', '/cost', '--version', '-p --dangerously-skip-permissions']
  const results = await Promise.all(prompts.map(async (prompt) => (await fleet.http.enqueue({ prompt })).result()))
  expect(results.map((result) => result.text)).toEqual(prompts.map((prompt) => `Echo: ${prompt}`))
  const asked = fleet.model.ledger.entries().filter((entry) => entry.prompt.includes('@/etc/passwd'))
  expect(asked.map((entry) => entry.raw.includes('root:'))).toEqual([false])
})

test('what claude cannot heal fails once, and a passing fault is tried again', async () => {
  const bad = await fleet.http.enqueue({ prompt: '[[status:400]] no' })
  await expect(bad.result()).rejects.toMatchObject({ code: 'INVALID_REQUEST', retryable: false, attempt: 1 })
  // claude itself asks three times, so the fourth request is the fleet's second attempt.
  const passing = await fleet.http.enqueue({ prompt: '[[status-once:500,3]] mended', backoff: { delayMs: 10 } })
  const events = await gather(passing)
  expect(events.filter((event) => event.type === 'retry')).toMatchObject([
    { attempt: 1, nextAttempt: 2, error: { code: 'API_ERROR' } },
  ])
  expect(await passing.result()).toMatchObject({ text: 'Echo: mended', attempt: 2 })
})

test('text that claude voids is taken back, and what follows equals the result', async () => {
  const job = await fleet.http.enqueue({ prompt: '[[slow:5,20]][[cut-once:2]][[text:said twice and kept once]]' })
  const events = await gather(job)
  const last = events.findLastIndex((event) => event.type === 'text_reset')
  expect(last).toBeGreaterThan(0)
  expect(textOf(events.slice(last))).toBe('said twice and kept once')
  expect((await job.result()).text).toBe('said twice and kept once')
})

test('the key of the worker is in no event, result or view of a job, also when a tool prints its environment', async () => {
  const prompt =
    '[[tool:Bash:{"command":"echo key=$ANTHROPIC_API_KEY"}]][[slow:1,0]][[text:no sk-canary-of-the-worker here]]'
  const job = await fleet.http.enqueue({ prompt: `${prompt} env`, allowedTools: ['Bash'] })
  const events = await gather(job)
  const view = await job.get()
  expect(events.find((event) => event.type === 'tool_result')).toMatchObject({ isError: false })
  // What the tool has is worth nothing: the worker puts the key in its place.
  expect(JSON.stringify(events)).toMatch(/"key=sk-ant-api03-[\w-]{64}"/)
  expect(view.result?.text).toBe('no [redacted] here')
  expect(JSON.stringify([events, view])).not.toContain('canary')
})

async function gather(job: Job): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  for await (const event of job.events()) events.push(event)
  return events
}

/** What does not differ from run to run, as the kind of start may. Runs of text deltas are one. */
function story(events: StreamEvent[]) {
  const types = events
    .map((event) => event.type)
    .filter((type, index, all) => type !== 'text' || all[index - 1] !== 'text')
  const end = events.at(-1)
  if (end?.type !== 'completed') throw new Error(`it ended with ${JSON.stringify(end)}`)
  const { text, tools, numTurns, attempt, worker } = end.result
  return { types, text: textOf(events), result: { text, tools, numTurns, attempt, worker } }
}

function textOf(events: StreamEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('')
}
