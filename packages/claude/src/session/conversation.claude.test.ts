import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { runTurn, startBench, type Bench } from '../testing/claude.js'
import { toldBy, type ModelRequest } from '../testing/model.js'
import type { ClaudeSession, Conversation, TurnFacts } from '../types.js'

function conversationOf(sessionId: string, rows: readonly string[], interrupted = false): Conversation {
  return { id: 's1', revision: '1', interrupted, load: async () => ({ sessionId, rows }) }
}

/** The rows of its transcript up to one that `holds`: claude writes them after the message that tells of them. */
async function rowsOf(session: ClaudeSession, holds: (row: string) => boolean): Promise<string[]> {
  const rows: string[] = []
  while (!rows.some(holds)) {
    rows.push(...(await session.newRows()))
    await delay(2)
  }
  return rows
}

const says = (text: string) => (row: string) => row.includes('"type":"assistant"') && row.includes(text)
const texts = ({ text }: ModelRequest) => (JSON.parse(text) as { messages: unknown[] }).messages

test('a conversation that another process resumes tells the model what the first process would have', async () => {
  const bench = await startBench((_request, count) => [{ text: `answer ${count}` }])
  const spec = { systemPrompt: 'be brief', model: 'claude-opus-5-5' }
  const first = await bench.start(spec)
  const { facts } = await runTurn(first, 'the word is plum')
  const rows = await rowsOf(first, says('answer 1'))
  expect(await first.whyNotContinue()).toBeUndefined()
  await runTurn(first, 'which word?')

  const second = await bench.start({ ...spec, conversation: conversationOf(facts.sessionId, rows) })
  const resumed = await runTurn(second, 'which word?')
  expect(resumed.facts).toMatchObject({ text: 'answer 3', sessionId: facts.sessionId, stop: undefined })
  const [, warm, cold] = bench.model.requests
  expect(toldBy(cold!)).toEqual(toldBy(warm!))
  expect(JSON.stringify(texts(cold!))).toContain('the word is plum')

  // Only what is new: the restored rows are known where they came from.
  const fresh = await rowsOf(second, says('answer 3'))
  expect(fresh.join('')).not.toContain('plum')
  const third = await bench.start({ ...spec, conversation: conversationOf(facts.sessionId, [...rows, ...fresh]) })
  await runTurn(third, 'and now?')
  expect(JSON.stringify(texts(bench.model.requests[3]!))).toMatch(/plum.*answer 1.*which word\?.*answer 3.*and now\?/)
})

test('what a reset has left in a transcript is not told to the model by who resumes it', async () => {
  const bench = await startBench((_request, count) => [{ text: `answer ${count}` }])
  const session = await bench.start()
  await runTurn(session, 'another job, whose word is quince')
  expect(await session.reset()).toBeUndefined()
  const { facts } = await runTurn(session, 'the word is plum')
  const rows = await rowsOf(session, says('answer 2'))
  await runTurn(session, 'which word?')
  const second = await bench.start({ conversation: conversationOf(facts.sessionId, rows) })
  await runTurn(second, 'which word?')
  const [, , warm, cold] = bench.model.requests
  expect(toldBy(cold!)).toEqual(toldBy(warm!))
  expect(rows.join('')).not.toContain('quince')
})

test('a turn that was cut off goes on after its last tool result; that tool does not run again', async () => {
  const bench = await startBench(({ toolResult, text }) => {
    if (text.includes('Continue from where you left off')) return [{ text: 'went on' }]
    if (toolResult === undefined) return [{ tool: 'Bash', input: { command: 'echo once >> ran; echo first out' } }]
    return [{ tool: 'Bash', input: { command: 'echo twice >> ran; sleep 60' } }]
  })
  const { rows, sessionId } = await cutOff(bench, 'do both')

  const second = await bench.start({ conversation: conversationOf(sessionId, rows, true) })
  const { messages, facts } = await runTurn(second, undefined)
  expect(facts).toMatchObject({ text: 'went on', sessionId, stop: undefined, result: { is_error: false } })
  expect(messages.map(({ type }) => type)).toEqual(['init', 'text', 'spend'])
  const request = JSON.stringify(texts(bench.model.requests.at(-1)!))
  expect(request).toContain('first out')
  expect(request).not.toContain('sleep 60')
  expect(await readFile(join(bench.spec.cwd, 'ran'), 'utf8')).toBe('once\ntwice\n')
  expect(await second.whyNotContinue()).toBeUndefined()
  expect((await runTurn(second, 'another')).facts.result?.is_error).toBe(false)
})

test('what was cut off cannot be given a prompt, and what was not cannot go without one', async () => {
  const bench = await startBench(() => [{ text: 'hello' }])
  const session = await bench.start()
  expect(() => session.turn(undefined, {} as never)).toThrow('a turn has a prompt')
  const { facts } = await runTurn(session, 'one')
  const rows = await rowsOf(session, says('hello'))
  const cut = await bench.start({ conversation: conversationOf(facts.sessionId, rows, true) })
  expect(() => cut.turn('two', {} as never)).toThrow('a turn has a prompt')
})

test('a conversation whose turn failed is not gone on with in that process', async () => {
  const bench = await startBench(() => [{ status: 400 }])
  const session = await bench.start()
  expect(await session.whyNotContinue()).toBe('its last turn did not succeed')
  await runTurn(session, 'bad')
  expect(await session.whyNotContinue()).toBe('its last turn did not succeed')
})

/** A session that is ended while its second tool runs, and what it had written by then. */
async function cutOff(bench: Bench, prompt: string): Promise<{ rows: string[]; sessionId: string }> {
  const session = await bench.start()
  const rows: string[] = []
  let facts: TurnFacts | undefined
  let uses = 0
  for await (const message of session.turn(prompt, {
    signal: new AbortController().signal,
    timeoutMs: 20_000,
    idleTimeoutMs: 10_000,
  })) {
    if (message.type === 'end') facts = message.facts
    if (message.type !== 'tool_use') continue
    uses += 1
    if (uses < 2) continue
    rows.push(...(await rowsOf(session, (row) => row.includes('sleep 60'))))
    while ((await readFile(join(bench.spec.cwd, 'ran'), 'utf8').catch(() => '')) !== 'once\ntwice\n') await delay(5)
    void session.close()
  }
  return { rows, sessionId: facts?.sessionId ?? '' }
}
