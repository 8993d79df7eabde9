import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLineDecoder, parseMessage, verdict, type TurnFacts } from '@claude-fleet/claude'
import { JOB_ERROR_CODES } from '@claude-fleet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyJson, bent, bentBytes, piecesOf } from './input.js'
import { fuzz, isLeftOut, titleOf, type FuzzTarget } from './target.js'

const PACKAGE = join(import.meta.dirname, '..', '..', 'packages', 'claude')
/** The reader of turns is no part of the package's outside; it is what stands behind the decoder in a worker. */
const { replay } = (await import(join(PACKAGE, 'dist', 'turn', 'replay.js'))) as {
  replay(recording: Uint8Array, options?: object): { messages: { type: string }[]; facts: TurnFacts }[]
}

/** What real processes have written. Those of one turn and more; the longest are left out, for they take time alone. */
const RECORDINGS = readdirSync(join(PACKAGE, 'fixtures'))
  .map((name) => readFileSync(join(PACKAGE, 'fixtures', name)))
  .filter(({ length }) => length < 100_000)
const lines = RECORDINGS.flatMap((recording) => recording.toString().split('\n').filter(Boolean))
const recorded = fc.constantFrom(...RECORDINGS)
const cuts = fc.array(fc.nat(), { maxLength: 12 })

function decoded(pieces: readonly Uint8Array[]): string[] {
  const decoder = createLineDecoder()
  const found = pieces.flatMap((piece) => decoder.push(piece))
  const last = decoder.end()
  return last === undefined ? found : [...found, last]
}

const decoder: FuzzTarget = { name: 'decoder', share: 10, short: 100 }
test.skipIf(isLeftOut(decoder))(
  `bytes of claude are the same lines however they are cut: ${titleOf(decoder)}`,
  async () => {
    const bytes = fc.oneof(
      bentBytes(fc.constantFrom(...lines.map((line) => Buffer.from(`${line}\n`)))),
      fc.uint8Array({ maxLength: 400 }).map((some) => Buffer.from(some)),
    )
    await fuzz(decoder, fc.record({ bytes, cuts }), (one) => {
      const whole = decoded([one.bytes])
      expect(decoded(piecesOf(one.bytes, one.cuts))).toEqual(whole)
      for (const line of whole) {
        const message = parseMessage(line)
        expect(message === undefined || typeof message.type === 'string').toBe(true)
      }
    })
  },
)

const KNOWN = new Set<string>(JOB_ERROR_CODES)

/** The outcomes of its turns. */
function judged(recording: Uint8Array, options: object): string[] {
  const outcomes: string[] = []
  for (const { messages, facts } of replay(recording, options)) {
    for (const { type } of messages) expect(type).toEqual(expect.any(String))
    const found = verdict(facts)
    outcomes.push(found.outcome)
    if (found.outcome === 'failed') expect(KNOWN.has(found.code)).toBe(true)
    if (found.outcome === 'completed') expect(typeof found.text).toBe('string')
    expect(Number.isNaN(facts.costUsd)).toBe(false)
  }
  return outcomes
}

const options = fc.record(
  {
    wantsStructuredOutput: fc.boolean(),
    stop: fc.constantFrom(undefined, 'timeout', 'idle', 'turns', 'budget', 'aborted'),
    exit: fc.constantFrom(
      undefined,
      { code: 0, signal: null, stderrTail: '' },
      { code: null, signal: 'SIGKILL', stderrTail: 'x' },
    ),
  },
  { requiredKeys: [] },
)

const turns: FuzzTarget = { name: 'turns of bent lines', share: 10, short: 200 }
test.skipIf(isLeftOut(turns))(`turns of bent lines have a verdict: ${titleOf(turns)}`, async () => {
  const line = fc.oneof(
    { weight: 9, arbitrary: bent(fc.constantFrom(...lines).map((text) => parse(text))) },
    { weight: 1, arbitrary: anyJson },
  )
  const recording = fc
    .array(line, { minLength: 1, maxLength: 20 })
    .map((list) => Buffer.from(list.map((one) => JSON.stringify(one)).join('\n')))
  await fuzz(turns, fc.record({ recording, options }), (one) => {
    expect(judged(one.recording, one.options)).not.toEqual([])
  })
})

const bytewise: FuzzTarget = { name: 'turns of bent bytes', share: 2, short: 60 }
test.skipIf(isLeftOut(bytewise))(`turns of bent bytes have a verdict: ${titleOf(bytewise)}`, async () => {
  await fuzz(bytewise, fc.record({ recording: bentBytes(recorded), options }), (one) => {
    expect(judged(one.recording, one.options)).not.toEqual([])
  })
})

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
