import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { replay, type ReplayedTurn } from './turn/replay.js'
import { verdict } from './verdict.js'

const folder = fileURLToPath(new URL('../fixtures/', import.meta.url))

interface Expected {
  /** Of every turn in the recording: `completed`, or the code of the failure. */
  turns: string[]
  /** How the process ended where the recording breaks off without a result. */
  exit?: { code: number | null; signal: string | null }
  prompts?: string[]
}

const OK = 'completed'
const exited = (code: number): Pick<Expected, 'exit'> => ({ exit: { code, signal: null } })
const KILLED: Pick<Expected, 'exit'> = { exit: { code: null, signal: 'SIGKILL' } }

const RECORDINGS: Record<string, Expected> = {
  'api-error-401': { turns: ['AUTH_FAILED'] },
  'api-error-401-default-10-retries': { turns: ['AUTH_FAILED'] },
  'api-error-401-r0': { turns: ['AUTH_FAILED'] },
  'api-error-429': { turns: ['RATE_LIMITED', OK] },
  'api-error-500-retry-then-success': { turns: [OK, OK] },
  'api-error-529': { turns: ['OVERLOADED', OK] },
  'api-error-credit-balance': { turns: ['INSUFFICIENT_CREDITS', OK] },
  'await-claim': { turns: [OK, OK] },
  // The second result answers a background task, not a prompt: the prompt that would wait for it has none.
  'background-task-unsolicited-turn': { turns: [OK, 'PROCESS_CRASHED'], ...exited(0) },
  'can-use-tool': { turns: [OK, OK, 'PROCESS_CRASHED', 'PROCESS_CRASHED'] },
  clear: { turns: [OK, OK, OK, OK, OK, OK, OK] },
  'control-misc': { turns: [OK, OK] },
  'eof-bg': { turns: [OK] },
  'eof-stream': { turns: [OK] },
  'eof-tool': { turns: ['PROCESS_CRASHED'], ...KILLED },
  'eof-tool5': { turns: [OK] },
  'err-400-toolong': { turns: ['PROMPT_TOO_LONG', OK] },
  'err-403': { turns: ['AUTH_FAILED', OK] },
  'err-404-model': { turns: ['MODEL_NOT_FOUND', OK] },
  'err-429-retryafter-r1': { turns: ['RATE_LIMITED', OK] },
  'err-500-r0': { turns: ['API_ERROR', OK] },
  'err-500-r2': { turns: ['API_ERROR', OK] },
  'err-529-retry-then-success': { turns: [OK, OK] },
  'err-connrefused-r2': { turns: ['NETWORK', 'NETWORK'] },
  'err-cut-then-ok': { turns: [OK, OK] },
  'err-hang-api-timeout': { turns: ['NETWORK', OK] },
  'err-hang-api-timeout-r0': { turns: ['NETWORK'] },
  'err-hanghdr': { turns: ['PROCESS_CRASHED'], ...exited(143) },
  'err-reset-r1': { turns: ['NETWORK', OK] },
  'flag-deny': { turns: [OK, OK, OK, OK, OK] },
  'generic-spare-lease': { turns: [OK] },
  // Interrupted, and not by the fleet: `stop` is not set. The same turns with it are below.
  'interrupt-cancel-queued': { turns: ['PROCESS_CRASHED'] },
  'interrupt-hang': { turns: ['PROCESS_CRASHED', OK] },
  'interrupt-streaming': { turns: ['PROCESS_CRASHED', OK] },
  'interrupt-tool': { turns: ['PROCESS_CRASHED', OK] },
  'max-budget': { turns: ['MAX_BUDGET', 'MAX_BUDGET'] },
  'max-turns': { turns: ['MAX_TURNS', OK] },
  'no-key': { turns: ['AUTH_FAILED', 'AUTH_FAILED'] },
  'old-2-core': { turns: [OK, OK, OK, OK, OK, 'PROCESS_CRASHED', OK] },
  'partial-messages-thinking': { turns: [OK, OK] },
  'queued-messages': {
    turns: [OK, OK, OK],
    prompts: [
      '11111111-1111-4111-8111-111111111111',
      '33333333-3333-4333-8333-333333333333',
      '44444444-4444-4444-8444-444444444444',
    ],
  },
  'set-cwd': { turns: [OK, OK, OK, OK, OK] },
  'sighup-tool': { turns: ['PROCESS_CRASHED'], ...exited(129) },
  'sigint-idle': { turns: [OK] },
  'sigint-tool': { turns: ['PROCESS_CRASHED'] },
  'sigkill-bg': { turns: [OK] },
  'sigkill-tool': { turns: ['PROCESS_CRASHED'], ...KILLED },
  'sigterm-idle': { turns: [OK] },
  'sigterm-stream': { turns: ['PROCESS_CRASHED'], ...exited(143) },
  'sigterm-tool': { turns: ['PROCESS_CRASHED'], ...exited(143) },
  'simple-turn': { turns: [OK, OK] },
  'state-events': { turns: [OK] },
  'stdin-badjson': { turns: ['SPAWN_FAILED'], ...exited(1) },
  'stdin-badrole': { turns: ['SPAWN_FAILED'], ...exited(1) },
  'stop-task': { turns: [OK] },
  'structured-invalid': { turns: [OK, OK] },
  'structured-output': { turns: [OK, OK] },
  'structured-via-initialize': { turns: [OK] },
  'tool-denied': { turns: [OK, OK] },
  'tool-timeout': { turns: [OK] },
  'tool-use': { turns: [OK, OK] },
  'two-turn-warm': { turns: [OK, OK] },
}

function turnsOf(name: string, options: Parameters<typeof replay>[1] = {}): ReplayedTurn[] {
  const { exit, prompts } = RECORDINGS[name] ?? {}
  return replay(readFileSync(`${folder}${name}.ndjson`), {
    ...(prompts === undefined ? {} : { prompts }),
    ...(exit === undefined ? {} : { exit: { ...exit, stderrTail: '' } }),
    ...options,
  })
}

/** What a subscriber has on the screen who follows the contract's words about deltas. */
function shown({ messages }: ReplayedTurn): string {
  let text = ''
  for (const message of messages) {
    if (message.type === 'text') text += message.text
    if (message.type === 'init' || message.type === 'tool_use' || message.type === 'text_reset') text = ''
  }
  return text
}

test('every recording is in the table', () => {
  const recorded = readdirSync(folder).map((file) => file.replace(/\.ndjson$/, ''))
  expect(Object.keys(RECORDINGS).sort()).toEqual(recorded.sort())
})

test.each(Object.entries(RECORDINGS))('%s is judged for what it was', (name, expected) => {
  const outcomes = turnsOf(name).map(({ facts }) => {
    const judged = verdict(facts)
    return judged.outcome === 'failed' ? judged.code : judged.outcome
  })
  expect(outcomes).toEqual(expected.turns)
})

test.each(Object.keys(RECORDINGS))('%s: what a subscriber has on the screen at the end is the answer', (name) => {
  for (const turn of turnsOf(name)) {
    const { result } = turn.facts
    expect(shown(turn)).toBe(turn.facts.text)
    if (result?.is_error === false && result.subtype === 'success' && result.structured_output === undefined) {
      expect(shown(turn)).toBe(result.result ?? '')
    }
  }
})

test('text is reset only where claude took some back or began the reply again', () => {
  const resets = Object.keys(RECORDINGS).flatMap((name) =>
    turnsOf(name).flatMap((turn, index) =>
      turn.messages.some((message) => message.type === 'text_reset') ? [`${name} ${index + 1}`] : [],
    ),
  )
  expect(resets).toEqual(['err-cut-then-ok 1', 'structured-invalid 1', 'structured-invalid 2', 'structured-output 2'])
})

test.each(['interrupt-streaming', 'interrupt-tool', 'interrupt-hang', 'interrupt-cancel-queued'])(
  '%s, interrupted by the fleet, is cancelled, and its text stays',
  (name) => {
    const [turn] = turnsOf(name, { stop: 'aborted' })
    expect(turn && verdict(turn.facts)).toEqual({ outcome: 'cancelled' })
    expect(turn?.messages.filter((message) => message.type === 'text_reset')).toEqual([])
  },
)

test('a structured output that is missing at the end is a failure', () => {
  const outcomes = turnsOf('structured-invalid', { wantsStructuredOutput: true }).map(({ facts }) => verdict(facts))
  expect(outcomes).toMatchObject([{ code: 'STRUCTURED_OUTPUT' }, { code: 'STRUCTURED_OUTPUT' }])
  const [given] = turnsOf('structured-via-initialize', { wantsStructuredOutput: true })
  expect(given && verdict(given.facts)).toEqual({
    outcome: 'completed',
    text: '{"name":"z"}',
    structuredOutput: { name: 'z' },
  })
})

test('a turn costs what it added to the total of the process', () => {
  const costs = turnsOf('two-turn-warm').map(({ facts }) => facts.costUsd)
  expect(costs).toEqual([0.00044, 0.00044])
  // No model_usage_since_last_result in this version: the totals are 0.00033, 0.0011, 0.00187, ...
  const [first, second, third] = turnsOf('old-2-core').map(({ facts }) => facts.costUsd)
  expect(first).toBeCloseTo(0.00033, 8)
  expect(second).toBeCloseTo(0.00077, 8)
  expect(third).toBeCloseTo(0.00077, 8)
})
