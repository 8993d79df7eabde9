import { expect, test } from 'vitest'
import { createProcessTable } from '../process/process-table.js'
import { runTurn, startBench } from '../testing/claude.js'
import type { TurnMessage } from '../types.js'
import { verdict } from '../verdict.js'

const linux = process.platform === 'linux'

const textOf = (messages: TurnMessage[]): string[] =>
  messages.flatMap((message) =>
    message.type === 'text' ? [message.text] : message.type === 'text_reset' ? ['<reset>'] : [],
  )

test('a turn streams its text as it comes, and a second one on the same process has its own cost', async () => {
  const { start } = await startBench(() => [{ text: 'one ' }, { wait: 20 }, { text: 'two' }])
  const session = await start()
  for (let turn = 0; turn < 2; turn += 1) {
    const { messages, facts } = await runTurn(session, 'hello')
    expect(textOf(messages)).toEqual(['one ', 'two'])
    expect(verdict(facts)).toEqual({ outcome: 'completed', text: 'one two', structuredOutput: undefined })
    expect(facts).toMatchObject({
      costUsd: 0.00044,
      usage: { inputTokens: 10, outputTokens: 20, cacheReadTokens: 0, cacheCreationTokens: 0 },
      numTurns: 1,
      stop: undefined,
      backgroundTasks: 0,
    })
  }
})

test('a reply that breaks off is taken back and comes again', async () => {
  const { start } = await startBench((_request, count) =>
    count === 1 ? [{ text: 'lost' }, { wait: 100 }, 'cut'] : [{ text: 'kept' }],
  )
  const { messages, facts } = await runTurn(await start(), 'hello', { maxTurns: 1 })
  expect(textOf(messages)).toEqual(['lost', '<reset>', 'kept'])
  expect(facts).toMatchObject({ text: 'kept', apiRetries: { count: 1, lastStatus: null } })
})

test('a tool is told with its input, its result and what has been spent so far', async () => {
  const { start } = await startBench(({ toolResult }) =>
    toolResult === undefined
      ? [{ text: 'Looking.' }, { tool: 'Bash', input: { command: 'echo from bash' } }]
      : [{ text: 'Done.' }],
  )
  const { messages, facts } = await runTurn(await start(), 'look')
  const kinds = messages.map((message) => message.type).filter((type) => type !== 'spend')
  expect(kinds).toEqual(['init', 'text', 'tool_use', 'tool_result', 'text'])
  expect(messages).toContainEqual(
    expect.objectContaining({ type: 'tool_use', name: 'Bash', input: { command: 'echo from bash' } }),
  )
  expect(messages).toContainEqual(expect.objectContaining({ type: 'tool_result', output: 'from bash', isError: false }))
  expect(messages.filter((message) => message.type === 'spend').map((message) => message.costUsd)).toEqual([
    0.00044, 0.00088,
  ])
  expect(facts).toMatchObject({ tools: { Bash: 1 }, text: 'Done.', numTurns: 2 })
})

test('a tool that nobody allowed is refused without waiting for a person', async () => {
  const { start, spec } = await startBench(({ toolResult }) =>
    toolResult === undefined ? [{ tool: 'Bash', input: { command: 'touch x' } }] : [{ text: 'Well.' }],
  )
  const { facts } = await runTurn(await start({ ...spec, allowedTools: [], permissionMode: 'default' }), 'go')
  expect(verdict(facts).outcome).toBe('completed')
  expect(facts.permissionDenials).toEqual([{ toolName: 'Bash', toolUseId: 'toolu_1' }])
})

test('a structured output is asked for over stdin and comes back parsed', async () => {
  const { start } = await startBench(() => [{ tool: 'StructuredOutput', input: { name: 'bob' } }])
  const outputSchema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
  const { facts } = await runTurn(await start({ outputSchema }), 'who')
  expect(verdict(facts)).toMatchObject({ outcome: 'completed', structuredOutput: { name: 'bob' } })
})

test('a usage limit that is refused parks until it resets', async () => {
  const resetsAt = Math.floor(Date.now() / 1_000) + 3_600
  const headers = {
    'anthropic-ratelimit-unified-status': 'rejected',
    'anthropic-ratelimit-unified-reset': String(resetsAt),
    'anthropic-ratelimit-unified-representative-claim': 'five_hour',
  }
  const { start, model } = await startBench(() => [{ status: 429, headers }])
  // Only a subscription's token has such limits.
  const session = await start({ env: { CLAUDE_CODE_OAUTH_TOKEN: 'fake-token', ANTHROPIC_BASE_URL: model.url } })
  const { facts } = await runTurn(session, 'hello')
  expect(verdict(facts)).toMatchObject({
    code: 'USAGE_LIMIT',
    decision: 'park',
    retryAt: resetsAt * 1_000,
    details: { usageLimit: 'five_hour' },
  })
})

test.each([
  [401, 'AUTH_FAILED'],
  [404, 'MODEL_NOT_FOUND'],
  [500, 'API_ERROR'],
  [529, 'OVERLOADED'],
])('a model that answers %i is %s, within seconds', async (status, code) => {
  const { start } = await startBench(() => [{ status }])
  const begun = performance.now()
  const { facts } = await runTurn(await start(), 'hello')
  expect(verdict(facts)).toMatchObject({ outcome: 'failed', code, details: { status } })
  expect(performance.now() - begun).toBeLessThan(10_000)
})

test('aborting in the middle of text cancels the turn at once and leaves the process usable', async () => {
  const { start } = await startBench((_request, count) =>
    count === 1 ? [{ text: 'a' }, { wait: 30_000 }, { text: 'b' }] : [{ text: 'next' }],
  )
  const session = await start()
  const abort = new AbortController()
  const begun = performance.now()
  const { facts } = await runTurn(session, 'hello', { signal: abort.signal }, ({ type }) => {
    if (type === 'text') abort.abort()
  })
  expect(performance.now() - begun).toBeLessThan(5_000)
  expect(facts.stop).toBe('aborted')
  expect(facts.exit).toBeUndefined()
  expect(verdict(facts)).toEqual({ outcome: 'cancelled' })
  expect(verdict((await runTurn(session, 'again')).facts)).toMatchObject({ text: 'next' })
})

test('a turn whose consumer leaves is wound up; one that is aborted before it began sends nothing', async () => {
  const { start, model } = await startBench((_request, count) =>
    count === 1 ? [{ text: 'a' }, 'hang'] : [{ text: 'next' }],
  )
  const session = await start()
  const options = { timeoutMs: 20_000, idleTimeoutMs: 10_000 }
  for await (const message of session.turn('hello', { ...options, signal: new AbortController().signal })) {
    if (message.type === 'text') break
  }
  expect(verdict((await runTurn(session, 'x', { signal: AbortSignal.abort() })).facts)).toEqual({
    outcome: 'cancelled',
  })
  expect(model.requests).toHaveLength(1)
  expect(verdict((await runTurn(session, 'again')).facts)).toMatchObject({ text: 'next' })
})

test('silence of the model ends a turn, silence of a tool does not', async () => {
  const { start } = await startBench(({ toolResult }) =>
    toolResult === undefined
      ? [{ tool: 'Bash', input: { command: 'python3 -c "import time; time.sleep(1.5)"' } }]
      : ['hang'],
  )
  const { messages, facts } = await runTurn(await start(), 'wait', { idleTimeoutMs: 800 })
  expect(messages.some((message) => message.type === 'tool_result')).toBe(true)
  expect(verdict(facts)).toMatchObject({ code: 'IDLE_TIMEOUT' })
  expect(facts.costUsd).toBe(0.00044)
})

test.each([
  ['turns', { maxTurns: 3 }, 'MAX_TURNS', 3],
  ['budget', { maxBudgetUsd: 0.0008 }, 'MAX_BUDGET', 2],
])('a limit of %s ends a turn that would go on', async (stop, limit, code, replies) => {
  // Model and tool take a moment, as they do: claude is interrupted in the request that would be one too many, and asked
  // for the cost while a tool runs.
  const { start } = await startBench(() => [
    { wait: 200 },
    { text: 'More.' },
    { tool: 'Bash', input: { command: 'sleep 0.2; echo x' } },
  ])
  const { messages, facts } = await runTurn(await start(), 'go', limit)
  expect(facts.stop).toBe(stop)
  expect(verdict(facts)).toMatchObject({ code, decision: 'fail' })
  expect(messages.filter((message) => message.type === 'tool_use')).toHaveLength(replies)
  // The request that was interrupted may have cost its first tokens.
  expect(facts.costUsd).toBeGreaterThanOrEqual(0.00044 * replies)
  expect(facts.costUsd).toBeLessThan(0.00044 * replies + 0.0001)
})

test('an answer larger than is kept ends the turn', async () => {
  const { start } = await startBench(() => [{ text: 'x'.repeat(5_000) }, { text: 'y'.repeat(5_001) }, { wait: 30_000 }])
  const { facts } = await runTurn(await start(), 'go', { maxOutputBytes: 10_000 })
  expect(verdict(facts)).toMatchObject({ code: 'OUTPUT_TOO_LARGE', decision: 'fail' })
})

test('a process that dies in a turn is a crash, with how it ended', async () => {
  const { start } = await startBench(() => [{ text: 'a' }, 'hang'])
  const session = await start()
  const { facts } = await runTurn(session, 'go', {}, ({ type }) => {
    if (type === 'text') process.kill(session.pid, 'SIGKILL')
  })
  expect(await session.exited).toMatchObject({ code: null, signal: 'SIGKILL' })
  expect(verdict(facts)).toMatchObject({ code: 'PROCESS_CRASHED', decision: 'retry', details: { signal: 'SIGKILL' } })
})

test.runIf(linux)('close ends a running tool, its daemon and claude, also when claude is stopped', async () => {
  const command = 'setsid sleep 300 & (setsid sh -c "trap \'\' TERM; sleep 300; :" &); sleep 301 & wait'
  const { start } = await startBench(() => [{ tool: 'Bash', input: { command } }])
  const session = await start({}, { times: { termMs: 500, interruptMs: 300 } })
  const table = createProcessTable()
  const [own] = (await table.environmentValues('CLAUDE_FLEET_OWNER')).filter(
    ({ process: { pid } }) => pid === session.pid,
  )
  const mark = `CLAUDE_FLEET_OWNER=${own?.value}`
  const options = { signal: new AbortController().signal, timeoutMs: 20_000, idleTimeoutMs: 10_000 }
  for await (const message of session.turn('go', options)) {
    if (message.type !== 'tool_use') continue
    // Until the tool's processes are there; then claude itself is frozen, so that it cannot end them.
    while ((await table.withEnvironment(mark)).length < 5) await new Promise((resolve) => setTimeout(resolve, 20))
    process.kill(session.pid, 'SIGSTOP')
    break
  }
  await session.close()
  await session.close()
  expect(await table.withEnvironment(mark)).toEqual([])
})
