import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseMessage, SCHEMAS } from './message.js'

const strange = fc.oneof(
  fc.constantFrom(undefined, null, 'text_delta', 'thinking_delta', 'content_block_delta', 'stream_event'),
  fc.string(),
  fc.integer(),
  fc.constant({}),
  fc.constant([]),
)
/** The right value nearly always, so that most lines are wrong in one place or none. */
const mostly = (value: unknown) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: strange })
const rarely = fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: strange })

const pieces = (kind: string, field: string) =>
  fc.record({
    type: mostly('stream_event'),
    parent_tool_use_id: mostly(null),
    uuid: fc.string(),
    abandoned_blocks: rarely,
    event: fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({
          type: mostly('content_block_delta'),
          index: mostly(0),
          message: rarely,
          usage: rarely,
          delta: fc.oneof(
            {
              weight: 12,
              arbitrary: fc.record({
                type: mostly(kind),
                [field]: mostly('some text'),
                stop_reason: rarely,
                thinking: rarely,
                text: rarely,
              }),
            },
            { weight: 1, arbitrary: strange },
          ),
        }),
      },
      { weight: 1, arbitrary: strange },
    ),
  })

test('a piece of an answer is read as its schema says, however it is bent', () => {
  const told = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(fc.oneof(pieces('text_delta', 'text'), pieces('thinking_delta', 'thinking')), (value) => {
      const line = JSON.stringify(value)
      const read = parseMessage(line)
      const schema = SCHEMAS.stream_event.safeParse(JSON.parse(line))
      if (!schema.success) {
        told.refused += 1
        expect(read?.type).not.toBe('stream_event')
        return
      }
      told.taken += 1
      expect(read).toMatchObject(schema.data)
    }),
    { numRuns: 3_000 },
  )
  expect(told.taken).toBeGreaterThan(500)
  expect(told.refused).toBeGreaterThan(500)
})

test.each([
  ['no JSON', 'hello', undefined],
  ['no object', '[1]', undefined],
  ['null', 'null', undefined],
  ['no type', '{"subtype":"x"}', undefined],
  ['a type that is no name', '{"type":{"a":1}}', undefined],
  ['a type of a later claude', '{"type":"novelty"}', { type: 'other', name: 'novelty' }],
  ['a name that every object has', '{"type":"constructor"}', { type: 'other', name: 'constructor' }],
  ['a known type of another shape', '{"type":"system"}', { type: 'other', name: 'system' }],
])('a line that is %s', (_name, line, read) => {
  expect(parseMessage(line)).toEqual(read)
})
