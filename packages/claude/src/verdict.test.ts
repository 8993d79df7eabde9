import { JOB_ERROR_CODES, NO_USAGE, RETRY_DECISIONS } from '@claude-fleet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ResultMessage, TurnFacts, TurnStop } from './types.js'
import { verdict } from './verdict.js'

function factsOf(more: Partial<TurnFacts> = {}): TurnFacts {
  return {
    result: undefined,
    exit: undefined,
    stop: undefined,
    assistantError: undefined,
    usageLimit: undefined,
    apiRetries: undefined,
    wantsStructuredOutput: false,
    text: 'answer',
    usage: NO_USAGE,
    costUsd: 0,
    model: 'm',
    sessionId: 's',
    numTurns: 1,
    replies: 1,
    tools: {},
    permissionDenials: [],
    log: { lines: 0, errors: 0, warnings: 0 },
    backgroundTasks: 0,
    stderrTail: '',
    ...more,
  }
}

function resultOf(more: Partial<ResultMessage> = {}): ResultMessage {
  return {
    type: 'result',
    subtype: 'success',
    is_error: false,
    result: 'answer',
    session_id: 's',
    num_turns: 1,
    ...more,
  }
}

const apiError = (status: number | null, more: Partial<ResultMessage> = {}): ResultMessage =>
  resultOf({ is_error: true, api_error_status: status, terminal_reason: 'api_error', ...more })

function codeOf(facts: TurnFacts): string {
  const judged = verdict(facts)
  return judged.outcome === 'failed' ? judged.code : judged.outcome
}

test.each<[TurnStop, string]>([
  ['aborted', 'cancelled'],
  ['timeout', 'TIMEOUT'],
  ['idle', 'IDLE_TIMEOUT'],
  ['turns', 'MAX_TURNS'],
  ['budget', 'MAX_BUDGET'],
  ['output', 'OUTPUT_TOO_LARGE'],
  ['startup', 'SPAWN_FAILED'],
])('a turn stopped for %s is %s', (stop, code) => {
  const broken = resultOf({ subtype: 'error_during_execution', is_error: true, terminal_reason: 'aborted_streaming' })
  expect(codeOf(factsOf({ stop, result: broken }))).toBe(code)
  expect(codeOf(factsOf({ stop, exit: { code: 143, signal: null, stderrTail: '' } }))).toBe(code)
})

test('a success that came while the turn was being stopped counts, unless nobody wants it or it is too large', () => {
  const result = resultOf()
  for (const stop of ['timeout', 'idle', 'turns', 'budget', 'startup'] as const) {
    expect(codeOf(factsOf({ stop, result }))).toBe('completed')
  }
  expect(codeOf(factsOf({ stop: 'aborted', result }))).toBe('cancelled')
  expect(codeOf(factsOf({ stop: 'output', result }))).toBe('OUTPUT_TOO_LARGE')
})

test('a refused usage limit parks until its reset; a 429 without one backs off', () => {
  const usageLimit = { resetsAt: 1_800_000_000_000, type: 'five_hour' }
  expect(verdict(factsOf({ result: apiError(429), usageLimit }))).toMatchObject({
    code: 'USAGE_LIMIT',
    decision: 'park',
    retryAt: 1_800_000_000_000,
  })
  expect(verdict(factsOf({ result: apiError(429) }))).toMatchObject({
    code: 'RATE_LIMITED',
    decision: 'retry',
    retryAt: undefined,
  })
  expect(codeOf(factsOf({ result: apiError(500), usageLimit }))).toBe('API_ERROR')
})

test.each([
  ['401', factsOf({ result: apiError(401) }), 'AUTH_FAILED'],
  ['413', factsOf({ result: apiError(413) }), 'PROMPT_TOO_LONG'],
  ['400', factsOf({ result: apiError(400), assistantError: 'unknown' }), 'INVALID_REQUEST'],
  ['422', factsOf({ result: apiError(422) }), 'INVALID_REQUEST'],
  ['503', factsOf({ result: apiError(503) }), 'API_ERROR'],
  [
    'the local size check',
    factsOf({ result: apiError(null, { terminal_reason: 'blocking_limit' }) }),
    'PROMPT_TOO_LONG',
  ],
  [
    'a refusal',
    factsOf({ result: apiError(null, { stop_reason: 'refusal' }), assistantError: 'invalid_request' }),
    'REFUSED',
  ],
  [
    'output that never ends',
    factsOf({ result: apiError(null), assistantError: 'max_output_tokens' }),
    'OUTPUT_TOO_LARGE',
  ],
  ['no HTTP reply', factsOf({ result: apiError(null), assistantError: 'server_error' }), 'NETWORK'],
  [
    'an old version that has the status in its text only',
    factsOf({ result: resultOf({ is_error: true, result: 'API Error: 529 {"type":"error"}' }) }),
    'OVERLOADED',
  ],
  [
    'a conversation that is gone',
    factsOf({
      result: resultOf({
        subtype: 'error_during_execution',
        is_error: true,
        errors: ['No conversation found with session ID: x'],
      }),
    }),
    'SESSION_CLOSED',
  ],
  [
    'an end before the turn began',
    factsOf({ sessionId: '', exit: { code: 1, signal: null, stderrTail: '' } }),
    'SPAWN_FAILED',
  ],
  ['an end in the turn', factsOf({ exit: { code: null, signal: 'SIGKILL', stderrTail: '' } }), 'PROCESS_CRASHED'],
  ['nothing at all', factsOf(), 'INTERNAL'],
] as const)('%s', (_name, facts, code) => {
  expect(codeOf(facts)).toBe(code)
})

test('a key that claude or its stderr repeats is not passed on', () => {
  const key = 'sk-ant-api03-abcdefghijklmnopqrstuvwxyz'
  const said = verdict(factsOf({ result: apiError(401, { result: `Invalid API key ${key}` }) }))
  const crashed = verdict(factsOf({ exit: { code: 1, signal: null, stderrTail: `Authorization: Bearer ${key}` } }))
  expect(JSON.stringify([said, crashed])).not.toContain('abcdefghijklmnop')
})

test('every set of facts has a verdict, and its decision is the policy of its code', () => {
  const text = fc.constantFrom('', 'API Error: 418 x', 'No conversation found', 'x')
  const result = fc.record({
    type: fc.constant('result' as const),
    subtype: fc.constantFrom(
      'success',
      'error_max_turns',
      'error_during_execution',
      'error_of_tomorrow',
      'constructor',
    ),
    is_error: fc.boolean(),
    result: fc.option(text, { nil: undefined }),
    errors: fc.option(fc.array(text), { nil: undefined }),
    api_error_status: fc.option(fc.integer({ min: 100, max: 599 }), { nil: null }),
    terminal_reason: fc.option(fc.constantFrom('api_error', 'aborted_tools', 'new_reason'), { nil: undefined }),
    session_id: fc.constant('s'),
    num_turns: fc.nat(3),
  })
  const stop = fc.constantFrom(undefined, 'aborted', 'timeout', 'idle', 'turns', 'budget', 'output', 'startup')
  const errorClass = fc.constantFrom(undefined, 'rate_limit', 'toString')
  const exit = fc.constantFrom(undefined, { code: 1, signal: null, stderrTail: '' })
  fc.assert(
    fc.property(
      fc.option(result, { nil: undefined }),
      stop,
      exit,
      fc.boolean(),
      errorClass,
      (given, why, end, wants, error) => {
        const judged = verdict(
          factsOf({ result: given, assistantError: error, stop: why, exit: end, wantsStructuredOutput: wants }),
        )
        if (judged.outcome !== 'failed') return
        expect(JOB_ERROR_CODES).toContain(judged.code)
        expect(judged.decision).toBe(RETRY_DECISIONS[judged.code])
        expect(judged.message).not.toBe('')
      },
    ),
    { numRuns: 500 },
  )
})
