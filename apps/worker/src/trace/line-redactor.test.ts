import { expect, test } from 'vitest'
import { createRedactor } from '../redactor.js'
import { createLineRedactor } from './line-redactor.js'

const SECRET = 'sk-canary"with/quotes'
const redact = createRedactor([{ KEY: SECRET }])

function through(lines: readonly (object | string)[]): string[] {
  const written: string[] = []
  const redactor = createLineRedactor(redact, [SECRET], (line) => written.push(line))
  for (const line of lines) redactor.push(typeof line === 'string' ? line : JSON.stringify(line))
  redactor.end()
  return written
}

function delta(text: string, index = 0) {
  const event = { type: 'content_block_delta', index, delta: { type: 'text_delta', text } }
  return { type: 'stream_event', event, parent_tool_use_id: null }
}

const textsOf = (lines: readonly string[]) =>
  lines.flatMap((line) => (JSON.parse(line) as Partial<ReturnType<typeof delta>>).event?.delta?.text ?? [])

test('a secret is found behind the escapes of JSON, and in a line that is no JSON', () => {
  const escaped = JSON.stringify({ text: `key: ${SECRET}.` }).replace('sk-', '\\u0073k-')
  expect(escaped).toContain('\\u0073k-canary\\"with')
  expect(through([escaped, `raw ${SECRET} line`])).toEqual(['{"text":"key: [redacted]."}', 'raw [redacted] line'])
})

test('a secret that is streamed letter by letter is never written, whatever comes between, and all else is, in order', () => {
  const ping = { type: 'stream_event', event: { type: 'ping' } }
  const pieces = `say ${SECRET}, sk-can is no secret`.split('').map((letter) => delta(letter))
  const stop = { type: 'stream_event', event: { type: 'content_block_stop', index: 0 } }
  const written = through([...pieces.slice(0, 9), ping, ...pieces.slice(9), stop])
  expect(textsOf(written).join('')).toBe('say [redacted], sk-can is no secret')
  expect(written).toHaveLength(pieces.length + 2)
  expect(written.at(-1)).toBe(JSON.stringify(stop))
})

test('what only begins like a secret is written when its block ends, another begins, or nothing follows', () => {
  const stop = { type: 'stream_event', event: { type: 'content_block_stop', index: 0 } }
  for (const next of [stop, delta('other', 1), undefined]) {
    const lines = [delta('sk-can'), ...(next === undefined ? [] : [next])]
    expect(through(lines)).toEqual(lines.map((line) => JSON.stringify(line)))
  }
})
