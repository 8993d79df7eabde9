import type { EventBody } from '@claude-fleet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEventRedactor } from './event-redactor.js'
import { createRedactor } from './redactor.js'

function redacted(secrets: readonly string[], bodies: readonly EventBody[]): EventBody[] {
  const written: EventBody[] = []
  const redact = createRedactor([Object.fromEntries(secrets.map((secret, at) => [`SECRET_${at}`, secret]))])
  const events = createEventRedactor(redact, secrets, (body) => written.push(body))
  for (const body of bodies) events.push(body)
  events.end()
  return written
}

const text = (words: string): EventBody => ({ type: 'text', text: words })
const textsOf = (bodies: readonly EventBody[]) => bodies.flatMap((body) => (body.type === 'text' ? body.text : []))
const KEY = 'sk-canary-of-a-test'

test('a secret in pieces is replaced, and nothing else is held back', () => {
  const pieces = ['the key is sk-ca', 'nary-of-', 'a-test', ', and s', 'o on']
  expect(textsOf(redacted([KEY], pieces.map(text)))).toEqual(['the key is ', '[redacted]', ', and ', 'so on'])
})

test('whatever else comes ends what was held back, in its order', () => {
  const tool: EventBody = { type: 'tool_use', id: 't', name: 'Bash', input: { command: `echo ${KEY}` } }
  expect(redacted([KEY], [text('a sk-can'), tool, text('ary'), { type: 'thinking', text: 'sk-' }])).toEqual([
    text('a '),
    text('sk-can'),
    { ...tool, input: { command: 'echo [redacted]' } },
    text('ary'),
    { type: 'thinking', text: 'sk-' },
  ])
})

test('what is taken back before it was told is not told', () => {
  expect(redacted([KEY], [text('sk-can'), { type: 'text_reset' }, text('x')])).toEqual([
    { type: 'text_reset' },
    text('x'),
  ])
})

test('any text with any secrets in it, in any pieces: none is left, and the rest is as it was', () => {
  const secret = fc.stringMatching(/^[ab]{1,4}-[ab]{8,12}$/)
  const parts = fc.array(fc.oneof(fc.stringMatching(/^[ab-]{0,6}$/), fc.nat(2)), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 3 }), parts, fc.array(fc.nat(9)), (secrets, all, cuts) => {
      const whole = all.map((part) => (typeof part === 'string' ? part : secrets[part % secrets.length])).join('')
      const pieces: string[] = []
      for (let at = 0, cut = 0; at < whole.length; cut += 1) {
        const next = at + 1 + (cuts[cut] ?? 3)
        pieces.push(whole.slice(at, next))
        at = next
      }
      const told = textsOf(redacted(secrets, pieces.map(text))).join('')
      for (const one of secrets) expect(told).not.toContain(one)
      if (!secrets.some((one) => whole.includes(one))) expect(told).toBe(whole)
      const kept = told.replaceAll('[redacted]', '')
      expect(kept.length).toBeLessThanOrEqual(whole.length)
    }),
    { numRuns: 2_000 },
  )
})
