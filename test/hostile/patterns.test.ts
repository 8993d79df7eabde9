import * as core from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { z } from 'zod'

const LENGTH = 100_000
const MOST_CPU_MS = 50

/** Every pattern that a schema of a boundary holds a text against, and those that are used by themselves. */
function patterns(): string[] {
  const found = new Set<string>()
  for (const value of Object.values(core)) {
    if (value instanceof RegExp) found.add(value.source)
    if (!(value instanceof z.ZodType)) continue
    const json = JSON.stringify(z.toJSONSchema(value, { io: 'input', unrepresentable: 'any' }))
    JSON.parse(json, (key, child: unknown) => {
      if (key === 'pattern' && typeof child === 'string') found.add(child)
      return child
    })
  }
  return [...found]
}

test('no text of 100 KB keeps a pattern busy: of one letter, of pairs, and with an end that does not fit', () => {
  const slow: string[] = []
  const texts = ['a', '0', ' ', '/', '.', '-', 'a/', 'a.', 'a ', '*/', '0,', 'a:b,'].flatMap((unit) => {
    const text = unit.repeat(LENGTH / unit.length)
    return [text, `${text}\0`, `j_${text}!`]
  })
  const all = patterns()
  expect(all.length).toBeGreaterThan(8)
  for (const pattern of all) {
    const regex = new RegExp(pattern)
    for (const text of texts) {
      const before = process.cpuUsage()
      regex.test(text)
      const { user, system } = process.cpuUsage(before)
      if (user + system > MOST_CPU_MS * 1_000) slow.push(`${pattern}: ${(user + system) / 1_000} ms`)
    }
  }
  expect(slow).toEqual([])
})
