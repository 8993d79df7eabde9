import { fleetEventSchema, type FleetEvent } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { QUIET } from '../testing/fleet.js'
import { createWriter } from './writer.js'

/** The append script's rules, with answers that a test may lose or forge. */
function createLog(gather?: { windowMs: number; chars: number }) {
  const taken: FleetEvent[] = []
  const batches: number[] = []
  const faults: (() => string[] | Error | undefined)[] = []
  const calls: string[] = []
  const writer = createWriter(
    {
      log: QUIET,
      onBroke: () => undefined,
      onFenced: () => calls.push('fenced'),
      onCancel: (reason) => calls.push(`cancel ${reason}`),
      async send({ first, last, json, force }) {
        await new Promise((resolve) => setImmediate(resolve))
        const seq = taken.at(-1)?.seq ?? 0
        const forged = faults.shift()?.()
        if (Array.isArray(forged)) return forged
        if (last > seq) {
          if (first !== seq + 1 && !force) return ['hole', String(seq)]
          taken.push(...z.array(fleetEventSchema).parse(JSON.parse(json)))
          batches.push(last - first + 1)
        }
        if (forged !== undefined) throw forged
        return ['ok', String(last), '']
      },
    },
    { jobId: 'j', attempt: 1, seq: 0, gather },
  )
  return { writer, taken, batches, faults, calls }
}

const text = (event: FleetEvent) => (event.type === 'text' ? event.text : event.type)

test('the first delta goes at once, those of one window become one event, and another kind keeps its place', async () => {
  const { writer, taken, batches } = createLog()
  writer.write({ type: 'text', text: 'a' })
  await atOnce()
  expect(taken.map(text)).toEqual(['a'])
  for (const letter of 'bcd') writer.write({ type: 'text', text: letter })
  writer.write({ type: 'text_reset' })
  for (const letter of 'ef') writer.write({ type: 'text', text: letter })
  await expect.poll(() => taken.length, { interval: 1 }).toBe(4)
  expect(taken.map(text)).toEqual(['a', 'bcd', 'text_reset', 'ef'])
  expect(taken.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  expect(batches).toEqual([1, 3])
})

/** Turns of the event loop, not time: whatever comes within them was not waited for. */
async function atOnce() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('the first piece of an answer is not held back for what came before it', async () => {
  const { writer, taken } = createLog({ windowMs: 600_000, chars: 1_000 })
  writer.write({ type: 'started', worker: 'w', sessionId: 's', start: 'cold' })
  await atOnce()
  writer.write({ type: 'log', stream: 'stderr', line: 'waits for the window' })
  await atOnce()
  expect(taken.map(text)).toEqual(['started'])
  writer.write({ type: 'text', text: 'first' })
  await atOnce()
  writer.write({ type: 'text', text: 'second' })
  await atOnce()
  expect(taken.map(text)).toEqual(['started', 'log', 'first'])
  writer.close()
})

test('a long piece becomes events of the length that is set, cut between characters', async () => {
  const { writer, taken } = createLog({ windowMs: 0, chars: 4 })
  writer.write({ type: 'text', text: 'abc😀def' })
  await writer.flushed()
  writer.write({ type: 'text', text: 'g' })
  writer.write({ type: 'text', text: 'hi' })
  await writer.flushed()
  expect(taken.map(text)).toEqual(['abc', '😀de', 'f', 'ghi'])
})

test('an answer that is lost costs no event and doubles none', async () => {
  const { writer, taken, faults } = createLog()
  faults.push(() => new Error('the connection was lost'))
  writer.write({ type: 'text', text: 'a' })
  writer.write({ type: 'text_reset' })
  await writer.flushed()
  expect(taken.map(text)).toEqual(['a', 'text_reset'])
})

test('a log that comes back without its last events gets them again', async () => {
  const { writer, taken } = createLog()
  for (const letter of 'abcd') {
    writer.write({ type: 'text', text: letter })
    await writer.flushed()
  }
  taken.splice(2)
  writer.write({ type: 'text', text: 'e' })
  await writer.flushed()
  expect(taken.map(text)).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(writer.next({ type: 'text_reset' }).seq).toBe(6)
})

test('what is written faster than it is sent is waited for, and nothing waits once the attempt is fenced', async () => {
  const { writer, faults, calls, taken } = createLog()
  const line = 'x'.repeat(200_000)
  for (let at = 0; at < 8; at += 1) writer.write({ type: 'log', stream: 'stdout', line })
  let drained = false
  const waiting = writer.drained().then(() => (drained = true))
  await Promise.resolve()
  expect(drained).toBe(false)
  await waiting
  expect(taken.length).toBeGreaterThan(2)
  await writer.flushed()
  faults.push(() => ['fenced'])
  for (let at = 0; at < 8; at += 1) writer.write({ type: 'log', stream: 'stdout', line })
  await Promise.all([writer.drained(), writer.flushed()])
  expect(calls).toEqual(['fenced'])
  expect(taken).toHaveLength(8)
})

test('an answer that carries a cancel request hands it on', async () => {
  const { writer, faults, calls } = createLog()
  faults.push(() => ['ok', '1', 'enough'])
  writer.write({ type: 'text', text: 'a' })
  await writer.flushed()
  expect(calls).toEqual(['cancel enough'])
})
