import { expect, test } from 'vitest'
import { holdsLastWord, rowsToResume, toolResultsIn } from './turn-rows.js'

const row = (type: 'user' | 'assistant', content: unknown, more = {}) =>
  JSON.stringify({ type, message: { role: type, content }, ...more })
const prompt = row('user', 'do it')
const use = (id: string) => row('assistant', [{ type: 'tool_use', id, name: 'Bash', input: {} }])
const result = (id: string, content: unknown = 'out') =>
  row('user', [{ type: 'tool_result', tool_use_id: id, content }])
const said = row('assistant', [{ type: 'text', text: 'done' }])
const other = JSON.stringify({ type: 'attachment', attachment: { type: 'date' } })

test('an attempt goes on after the last tool result: what had begun after it comes again', () => {
  const known = [prompt, use('a'), result('a'), other]
  expect(rowsToResume([...known, use('b')])).toEqual([prompt, use('a'), result('a')])
  expect(rowsToResume([...known, said])).toEqual([prompt, use('a'), result('a')])
})

test('without a tool result there is nothing to go on from', () => {
  expect(rowsToResume([])).toBeUndefined()
  expect(rowsToResume([prompt, use('a'), said])).toBeUndefined()
  // Of a subagent: the main conversation knows nothing of it yet.
  const inside = row('user', [{ type: 'tool_result', tool_use_id: 'a', content: 'x' }], { isSidechain: true })
  expect(rowsToResume([prompt, use('a'), inside])).toBeUndefined()
})

test('a tool that was interrupted has come to no end', () => {
  const words = "The user doesn't want to proceed with this tool use. The tool use was rejected"
  expect(rowsToResume([prompt, use('a'), result('a', words)])).toBeUndefined()
  expect(toolResultsIn(result('a', [{ type: 'text', text: words }]))).toBe(0)
  expect(rowsToResume([prompt, use('a'), result('a'), use('b'), result('b', words)])).toHaveLength(3)
})

test('a turn is whole once the model has had its last word', () => {
  expect(holdsLastWord([prompt, use('a'), result('a'), said, other])).toBe(true)
  for (const rows of [[], [prompt], [prompt, use('a')], [prompt, use('a'), result('a')]]) {
    expect(holdsLastWord(rows)).toBe(false)
  }
})

test('the structured output is the last word, and the result of another tool is not', () => {
  const output = row('assistant', [{ type: 'tool_use', id: 'o', name: 'StructuredOutput', input: {} }])
  expect(holdsLastWord([prompt, use('a'), result('a'), output, result('o', 'provided'), other])).toBe(true)
  expect(holdsLastWord([prompt, output, use('a'), result('a')])).toBe(false)
})

test('a line that is no row is passed over', () => {
  expect(holdsLastWord([said, '{"type":"user"', 'null', '{"type":"user","message":7}'])).toBe(true)
})
