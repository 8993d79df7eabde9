import { expect, test } from 'vitest'
import { parseMessage } from '../protocol/message.js'
import type { TurnMessage } from '../types.js'
import { createTurnReader, type TurnReader } from './reader.js'

const OURS = 'prompt-1'

function reader(): TurnReader {
  return createTurnReader({
    promptUuid: OURS,
    wantsStructuredOutput: false,
    costBefore: 0.5,
    backgroundTasks: 0,
    toolOutputBytes: 10,
  })
}

/** Feeds objects as claude would write them. */
function feed(to: TurnReader, ...messages: object[]): TurnMessage[] {
  return messages.flatMap((message) => {
    const parsed = parseMessage(JSON.stringify(message))
    return parsed === undefined ? [] : to.read(parsed)
  })
}

const stream = (event: object, more: object = {}): object => ({ type: 'stream_event', event, ...more })
const begin = (id: string): object => stream({ type: 'message_start', message: { id } })
const delta = (text: string, index = 0): object =>
  stream({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } })
const ended = (stop_reason: string): object[] => [
  stream({ type: 'message_delta', delta: { stop_reason } }),
  stream({ type: 'message_stop' }),
]
const assistant = (id: string, ...content: object[]): object => ({ type: 'assistant', message: { id, content } })
const result = (text: string, more: object = {}): object => ({
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: text,
  session_id: 's',
  num_turns: 1,
  ...more,
})
const facts = (of: TurnReader): ReturnType<TurnReader['facts']> =>
  of.facts({ exit: undefined, stop: undefined, stderrTail: '' })
const without = (messages: TurnMessage[], type: TurnMessage['type']): TurnMessage[] =>
  messages.filter((message) => message.type !== type)

test('what is taken back in part is reset, and the part that stays is said again', () => {
  const turn = reader()
  feed(turn, begin('m1'), delta('kept', 0), delta('lost', 1))
  const said = feed(
    turn,
    stream({ type: 'message_stop' }, { abandoned_blocks: { api_message_id: 'm1', from_block_index: 1 } }),
  )
  expect(said).toEqual([{ type: 'text_reset' }, { type: 'text', text: 'kept' }])
  expect(facts(turn).text).toBe('kept')
})

test('a reply that breaks off and is begun again is one round trip', () => {
  const turn = reader()
  const abandoned_blocks = { api_message_id: 'm1', from_block_index: 0 }
  feed(turn, begin('m1'), delta('lost'), stream({ type: 'message_stop' }, { abandoned_blocks }), begin('m2'))
  expect(turn.rounds).toBe(1)
  feed(turn, ...ended('tool_use'), begin('m3'))
  expect(turn.rounds).toBe(2)
})

test('text before a tool use is not taken back with the reply that follows it', () => {
  const turn = reader()
  feed(turn, begin('m1'), delta('before'), assistant('m1', { type: 'tool_use', id: 't', name: 'Bash', input: {} }))
  feed(turn, ...ended('tool_use'), begin('m2'), delta('after'))
  const said = feed(turn, { type: 'system', subtype: 'api_retry', error_status: null })
  expect(said).toEqual([{ type: 'text_reset' }])
  expect(facts(turn).text).toBe('')
})

test('an unstreamed reply takes the place of what was streamed before it', () => {
  const turn = reader()
  feed(turn, begin('m1'), delta('half'))
  expect(feed(turn, assistant('m2', { type: 'text', text: 'whole' }))).toEqual([
    { type: 'text_reset' },
    { type: 'text', text: 'whole' },
  ])
  expect(without(feed(turn, result('whole')), 'spend')).toEqual([])
})

test('a reply that goes on after max_tokens is one answer, though the result has its last part only', () => {
  const turn = reader()
  feed(turn, begin('m1'), delta('one '), ...ended('max_tokens'), begin('m2'), delta('two'), ...ended('end_turn'))
  expect(without(feed(turn, result('two')), 'spend')).toEqual([])
  expect(facts(turn).text).toBe('one two')
})

test('text that never came as a delta comes with the result', () => {
  const turn = reader()
  feed(turn, begin('m1'), delta('one '))
  expect(without(feed(turn, result('one two')), 'spend')).toEqual([{ type: 'text', text: 'two' }])
})

test('subagents speak to the main loop, not to the subscriber, but their tools are counted', () => {
  const turn = reader()
  const parent_tool_use_id = 'task-1'
  const said = feed(
    turn,
    stream({ type: 'message_start', message: { id: 'sub' } }, { parent_tool_use_id }),
    stream({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x' } }, { parent_tool_use_id }),
    {
      type: 'assistant',
      parent_tool_use_id,
      message: { id: 'sub', content: [{ type: 'tool_use', id: 'u', name: 'Read' }] },
    },
    {
      type: 'user',
      parent_tool_use_id,
      message: { content: [{ type: 'tool_result', tool_use_id: 'u', content: 'x' }] },
    },
  )
  expect(said).toEqual([])
  expect(turn.rounds).toBe(0)
  expect(facts(turn).tools).toEqual({ Read: 1 })
})

test('a turn that claude does for someone else is not ours', () => {
  const turn = reader()
  const said = feed(
    turn,
    { type: 'command_lifecycle', command_uuid: OURS, state: 'queued' },
    begin('m1'),
    delta('a background task ended'),
    result('a background task ended', { origin: { kind: 'task-notification' } }),
    result('to another prompt', { user_message_uuids: ['prompt-0'] }),
  )
  expect(said).toEqual([])
  expect(turn.result).toBeUndefined()
  feed(turn, { type: 'command_lifecycle', command_uuid: OURS, state: 'started' }, begin('m2'), delta('mine'))
  feed(turn, result('mine', { user_message_uuids: ['prompt-0', OURS] }))
  expect(facts(turn)).toMatchObject({ text: 'mine', result: { result: 'mine' } })
})

test('a tool runs from its use to its result, and its output is cut between characters', () => {
  const turn = reader()
  feed(turn, assistant('m1', { type: 'tool_use', id: 't', name: 'Bash', input: {} }))
  expect(turn.toolRunning).toBe(true)
  const said = feed(turn, {
    type: 'user',
    message: { content: [{ type: 'tool_result', tool_use_id: 't', content: '123456789é', is_error: true }] },
  })
  expect(said).toEqual([{ type: 'tool_result', id: 't', isError: true, output: '123456789', truncated: true }])
  expect(turn.toolRunning).toBe(false)
})

test('what the turn cost is the rise of the total, in the middle of the turn too', () => {
  const turn = reader()
  expect(turn.total(0.75)).toMatchObject([{ type: 'spend', costUsd: 0.25 }])
  feed(turn, result('x', { total_cost_usd: 1.5 }))
  expect(facts(turn).costUsd).toBe(1)
})

test('a rejected rate limit is kept with its reset in ms; an allowed one is not', () => {
  const turn = reader()
  const event = (status: string): object => ({
    type: 'rate_limit_event',
    rate_limit_info: { status, resetsAt: 1_800_000_000, rateLimitType: 'five_hour' },
  })
  feed(turn, event('allowed'))
  expect(facts(turn).usageLimit).toBeUndefined()
  feed(turn, event('rejected'))
  expect(facts(turn).usageLimit).toEqual({ resetsAt: 1_800_000_000_000, type: 'five_hour' })
})

test('lines of an unknown type, or a known type of an unknown shape, change nothing', () => {
  const turn = reader()
  expect(feed(turn, { type: 'brand_new' }, { type: 'assistant', message: 7 }, { type: 'system' }, [])).toEqual([])
  expect(facts(turn)).toMatchObject({ result: undefined, text: '', sessionId: '' })
})

test('denials of another shape are none, and the result counts', () => {
  const ours = reader()
  const denied = { tool_name: 'Bash', tool_use_id: 't1' }
  feed(ours, result('done', { permission_denials: [null, 'x', { tool_name: 7 }, denied] }))
  const { permissionDenials } = ours.facts({ exit: undefined, stop: undefined, stderrTail: '' })
  expect(permissionDenials).toEqual([{ toolName: 'Bash', toolUseId: 't1' }])
})
