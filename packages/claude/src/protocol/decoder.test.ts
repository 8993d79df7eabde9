import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineDecoder } from './decoder.js'

function decode(chunks: readonly Uint8Array[], options?: { maxLineBytes: number }): string[] {
  const decoder = createLineDecoder(options)
  const lines = chunks.flatMap((chunk) => decoder.push(chunk))
  const last = decoder.end()
  return last === undefined ? lines : [...lines, last]
}

const bytes = (text: string): Buffer => Buffer.from(text)

test('gives the same lines however the bytes are cut', () => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\r\n]/g, ' '))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
      const whole = bytes(lines.map((text) => `${text}\n`).join(''))
      const chunks: Uint8Array[] = []
      let at = 0
      for (const cut of cuts) {
        chunks.push(whole.subarray(at, at + cut))
        at += cut
      }
      chunks.push(whole.subarray(at))
      // Compared through UTF-8: a lone surrogate has no bytes of its own.
      expect(decode(chunks)).toEqual(lines.map((text) => bytes(text).toString('utf8')))
    }),
    { numRuns: 300 },
  )
})

test('a returned line does not change with the buffer it came from', () => {
  const decoder = createLineDecoder()
  const buffer = bytes('one\n')
  const [line] = decoder.push(buffer)
  buffer.fill(0x78)
  expect(line).toBe('one')
})

test('returns an unterminated last line at the end, and no empty one', () => {
  expect(decode([bytes('a\nb')])).toEqual(['a', 'b'])
  expect(decode([bytes('a\n')])).toEqual(['a'])
  expect(decode([])).toEqual([])
})

test('drops a carriage return before the line end only', () => {
  expect(decode([bytes('a\r\nb\rc\r'), bytes('\n')])).toEqual(['a', 'b\rc'])
})

test('replaces bytes that are not UTF-8 and reads on', () => {
  expect(decode([Uint8Array.of(0x61, 0xff, 0x62, 0x0a), bytes('ok\n')])).toEqual(['a\uFFFDb', 'ok'])
})

test('refuses a line over the cap, also one whose end never comes', () => {
  expect(decode([bytes('12345\n')], { maxLineBytes: 5 })).toEqual(['12345'])
  expect(() => decode([bytes('123'), bytes('456')], { maxLineBytes: 5 })).toThrow('more than 5 bytes')
  expect(() => decode([bytes('123456\n')], { maxLineBytes: 5 })).toThrow('more than 5 bytes')
})

test('reads a line of 32 MiB in small chunks in time linear in its size', () => {
  const chunk = Buffer.alloc(4096, 0x61)
  const time = (mib: number): number => {
    const decoder = createLineDecoder()
    const start = performance.now()
    for (let sent = 0; sent < mib * 1024 * 1024; sent += chunk.length) decoder.push(chunk)
    expect(decoder.push(bytes('\n'))[0]?.length).toBe(mib * 1024 * 1024)
    return performance.now() - start
  }
  time(1)
  // A quadratic decoder takes 64 times as long for 8 times as much.
  expect(time(32)).toBeLessThan(Math.max(time(4), 5) * 30)
})
