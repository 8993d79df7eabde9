import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { FAKE_CLAUDE_BIN } from './install.js'
import { startFake, type FakeLine } from './testing/fake.js'

test('it says a version as claude does', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [FAKE_CLAUDE_BIN, '--version'])
  expect(stdout).toBe('2.1.330 (Claude Code)\n')
})

test('a turn is told in the order of claude, and written down before and after', async () => {
  const fake = await startFake()
  fake.control({ subtype: 'initialize' })
  expect((await fake.line(isReply)).response?.response).toMatchObject({ claude_code_version: '2.1.330' })
  fake.say('hello', 'u1')
  const result = await fake.result()
  expect(result).toMatchObject({ subtype: 'success', is_error: false, result: 'Echo: hello', user_message_uuid: 'u1' })
  expect(result).toMatchObject({ usage: { input_tokens: 10, output_tokens: 20 }, total_cost_usd: 0.00044 })
  await fake.line(({ type }) => type === 'command_lifecycle')
  fake.end()
  expect(await fake.ended).toEqual({ code: 0, signal: null })
  expect(namesOf(fake.stdout())).toEqual([
    'control_response',
    'command_lifecycle queued',
    'command_lifecycle started',
    'system init',
    'system status',
    'stream_event message_start',
    'stream_event content_block_start',
    'stream_event content_block_delta',
    'stream_event content_block_delta',
    'stream_event content_block_delta',
    'assistant',
    'stream_event content_block_stop',
    'stream_event message_delta',
    'stream_event message_stop',
    'result success',
    'command_lifecycle completed',
  ])
  const log = await fake.log()
  expect(log.map(({ event, pid }) => [event, pid])).toEqual(
    ['start', 'prompt', 'answer', 'exit'].map((one) => [one, fake.pid]),
  )
  expect(log[1]).toMatchObject({ prompt: 'hello' })
})

test('the marks of the simulated model mean the same: tools, structured output, errors, usage limits', async () => {
  const fake = await startFake()
  fake.say('[[tool:Bash:{"command":"ls"}]][[text:done]]')
  expect(await fake.line(({ type }) => type === 'user')).toMatchObject({
    message: { content: [{ type: 'tool_result', content: 'fake output of Bash' }] },
  })
  expect(await fake.result()).toMatchObject({ result: 'done', num_turns: 2, usage: { input_tokens: 20 } })
  fake.say('[[structured:{"a":1}]]')
  expect(await fake.result()).toMatchObject({ structured_output: { a: 1 }, result: '{"a":1}' })
  fake.say('[[status-once:429]][[text:well]]')
  expect(await fake.result()).toMatchObject({ subtype: 'success', is_error: true, api_error_status: 429 })
  fake.say('[[status-once:429]][[text:well]]')
  expect(await fake.result()).toMatchObject({ is_error: false, result: 'well' })
  fake.say('[[usage-limit:60]]')
  const limit = await fake.line(({ type }) => type === 'rate_limit_event')
  expect(limit).toMatchObject({ rate_limit_info: { status: 'rejected' } })
  expect(await fake.result()).toMatchObject({ api_error_status: 429 })
  fake.end()
  expect(await fake.ended).toEqual({ code: 1, signal: null })
})

test('clear begins another conversation: a reset, a new session, no cost', async () => {
  const fake = await startFake()
  fake.say('one')
  const { session_id: before } = await fake.result()
  fake.say('/clear')
  expect(await fake.line(({ type }) => type === 'conversation_reset')).toMatchObject({ trigger: 'clear' })
  const result = await fake.result()
  expect(result).toMatchObject({ local_command: 'clear', num_turns: 0, total_cost_usd: 0 })
  expect(result.session_id).not.toBe(before)
  fake.say('two')
  expect(await fake.result()).toMatchObject({ session_id: result.session_id, total_cost_usd: 0.00044 })
})

test('an interrupt ends the turn, not the process; prompts that wait come after it', async () => {
  const fake = await startFake()
  fake.say('[[hang-after:1]] abc')
  fake.say('next')
  await fake.line(({ event }) => event?.delta?.text !== undefined)
  fake.control({ subtype: 'interrupt' })
  expect(await fake.line(isReply)).toMatchObject({ response: { response: { still_queued: [] } } })
  expect(await fake.result()).toMatchObject({ subtype: 'error_during_execution', is_error: true })
  expect(await fake.result()).toMatchObject({ result: 'Echo: next' })
})

test.each([
  [{ subtype: 'set_model', model: 'm2' }, { response: { model: 'm2' } }],
  [{ subtype: 'set_permission_mode', mode: 'plan' }, { response: { mode: 'plan' } }],
  [{ subtype: 'set_permission_mode', mode: 'nope' }, { error_code: 'invalid_mode' }],
  [{ subtype: 'set_permission_mode', mode: 'bypassPermissions' }, { error_code: 'bypass_not_launched' }],
  [{ subtype: 'apply_flag_settings', settings: {} }, { subtype: 'success' }],
  [{ subtype: 'get_usage' }, { response: { session: { total_cost_usd: 0 } } }],
  [{ subtype: 'bogus' }, { error_code: 'unsupported_request' }],
])('the control request %j is answered', async (request, response) => {
  const fake = await startFake()
  fake.control(request)
  expect(await fake.line(isReply)).toMatchObject({ response })
  fake.say('x')
  const init = await fake.line(({ subtype }) => subtype === 'init')
  const { model = 'claude-x', mode } = request as { model?: string; mode?: string }
  expect(init).toMatchObject({ model, permissionMode: mode === 'plan' ? mode : 'default' })
})

test.each([
  ['no json', 1],
  ['{"type":"user"}', 1],
  ['{"type":"user","message":{"role":"assistant","content":"x"}}', 1],
  ['{"type":"keep_alive"}', 0],
  ['', 0],
])('the line %j on stdin ends it with %i', async (line, code) => {
  const fake = await startFake()
  fake.write(`${line}\n`)
  fake.end()
  expect(await fake.ended).toEqual({ code, signal: null })
  expect(fake.stdout()).toHaveLength(0)
})

test.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGINT', 0],
] as const)('%s ends a running turn with %i', async (signal, code) => {
  const fake = await startFake()
  fake.say('[[hang]]')
  await fake.line(({ subtype }) => subtype === 'status')
  fake.kill(signal)
  expect(await fake.ended).toEqual({ code, signal: null })
  expect((await fake.log()).at(-1)).toMatchObject({ event: 'exit', code })
})

test('the end of stdin waits for the turn', async () => {
  const fake = await startFake()
  fake.say('[[delay:100]] slow')
  fake.end()
  expect(await fake.result()).toMatchObject({ result: 'Echo: slow' })
  expect(await fake.ended).toEqual({ code: 0, signal: null })
})

function isReply({ type }: FakeLine): boolean {
  return type === 'control_response'
}

function namesOf(stdout: Buffer): string[] {
  const lines = stdout.toString().trim().split('\n')
  return lines.map((line) => {
    const { type, subtype, event, state } = JSON.parse(line) as FakeLine & { state?: string }
    return [type, subtype ?? event?.type ?? state].filter((one) => one !== undefined).join(' ')
  })
}
