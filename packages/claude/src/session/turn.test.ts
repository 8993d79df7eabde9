import { expect, onTestFinished, test } from 'vitest'
import type { LineProcess } from '../process/process.js'
import { createSuspension } from '../process/suspension.js'
import { parseMessage } from '../protocol/message.js'
import type { ExitFacts, TurnFacts, TurnMessage, TurnOptions } from '../types.js'
import { createControl } from './control.js'
import { runTurn, type RunningTurn } from './turn.js'

interface Sent {
  type: string
  uuid?: string
  request?: { subtype: string }
}

/** A turn over a process that is only written down: what was sent to it, whether it is paused, whether it was ended. */
function startTurn(options: Partial<TurnOptions> = {}, times = { startupMs: 5_000, interruptMs: 5_000 }) {
  const sent: Sent[] = []
  const state = { paused: false, ended: 0 }
  let exit: ((facts: ExitFacts) => void) | undefined
  const exited = new Promise<ExitFacts>((resolve) => (exit = resolve))
  const suspension = createSuspension(async () => [])
  const process: LineProcess = {
    pid: 1,
    exited,
    exit: undefined,
    stderrTail: '',
    send: (value) => void sent.push(value as Sent),
    pause: () => void (state.paused = true),
    resume: () => void (state.paused = false),
    suspension,
    end: async () => {
      state.ended += 1
      exit?.({ code: 143, signal: null, stderrTail: '' })
    },
  }
  const turn = runTurn(
    process,
    createControl(process.send),
    'hello',
    { signal: new AbortController().signal, timeoutMs: 60_000, idleTimeoutMs: 60_000, ...options },
    {
      ...times,
      wantsStructuredOutput: false,
      costBefore: 0,
      backgroundTasks: 0,
      toolOutputBytes: 100,
      maxOutputBytes: 1024 * 1024 * 1024,
    },
    () => undefined,
  )
  onTestFinished(() => {
    turn.stop('aborted')
    return process.end()
  })
  const say = (message: object): void => {
    const line = JSON.stringify(message)
    turn.line(line, parseMessage(line))
  }
  return { turn, sent, state, say }
}

const INIT = { type: 'system', subtype: 'init', session_id: 's' }
const delta = (text: string): object => ({
  type: 'stream_event',
  event: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
})
const START = { type: 'stream_event', event: { type: 'message_start', message: { id: 'm' } } }

async function endOf(turn: RunningTurn): Promise<TurnFacts> {
  for (;;) {
    const message: TurnMessage = await turn.next()
    if (message.type === 'end') return message.facts
  }
}

test('a process that says nothing at all is stopped at the startup limit, one that falls silent at the idle limit', async () => {
  const times = { startupMs: 50, interruptMs: 20 }
  expect((await endOf(startTurn({}, times).turn)).stop).toBe('startup')

  const silent = startTurn({ idleTimeoutMs: 50 }, { startupMs: 60_000, interruptMs: 20 })
  silent.say(INIT)
  expect((await endOf(silent.turn)).stop).toBe('idle')
})

test('the first reason to stop wins, is said once, and the process is ended when no result follows', async () => {
  const { turn, sent, state } = startTurn({}, { startupMs: 60_000, interruptMs: 30 })
  turn.stop('timeout')
  turn.stop('aborted')
  expect((await endOf(turn)).stop).toBe('timeout')
  expect(sent.filter((message) => message.request?.subtype === 'interrupt')).toHaveLength(1)
  expect(state.ended).toBe(1)
})

test('the result that follows an interrupt ends the turn with the process alive', async () => {
  const { turn, say, state, sent } = startTurn()
  say(INIT)
  turn.stop('aborted')
  say({
    type: 'result',
    subtype: 'error_during_execution',
    is_error: true,
    total_cost_usd: 2,
    user_message_uuid: sent[0]?.uuid,
  })
  expect(await endOf(turn)).toMatchObject({ stop: 'aborted', costUsd: 2, exit: undefined })
  expect(state.ended).toBe(0)
})

test('a slow consumer makes claude wait, and its own slowness is not counted as silence', async () => {
  const { turn, say, state } = startTurn({ idleTimeoutMs: 60 }, { startupMs: 5_000, interruptMs: 20 })
  say(INIT)
  say(START)
  const text = 'x'.repeat(10_000)
  let said = 0
  while (!state.paused) {
    say(delta(text))
    said += 1
    expect(said).toBeLessThan(100)
  }
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect(turn.hasEnded).toBe(false)
  for (let taken = 0; state.paused; taken += 1) {
    expect(taken).toBeLessThanOrEqual(said)
    await turn.next()
  }
  expect((await endOf(turn)).stop).toBe('idle')
})

test('a turn that is being stopped is read to its end whatever its consumer does', async () => {
  const { turn, say, state } = startTurn()
  say(INIT)
  say(START)
  while (!state.paused) say(delta('x'.repeat(10_000)))
  turn.stop('aborted')
  expect(state.paused).toBe(false)
  say({ type: 'result', subtype: 'error_during_execution', is_error: true })
  expect((await endOf(turn)).result?.subtype).toBe('error_during_execution')
})

test('a request of claude to the host is never left waiting', () => {
  const sent: unknown[] = []
  const control = createControl((value) => void sent.push(value))
  control.refuse('r1', 'can_use_tool')
  control.refuse('r2', 'hook_callback')
  expect(sent).toMatchObject([
    { response: { request_id: 'r1', subtype: 'success', response: { behavior: 'deny' } } },
    { response: { request_id: 'r2', subtype: 'error' } },
  ])
})
