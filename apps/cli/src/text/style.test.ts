import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { createPrintablePieces, oneLine, printable, styleOf } from './style.js'

const HOSTILE =
  'a\u001b[31mb\u001b]52;c;c3RvbGVu\u0007c\u001b]8;;http://x\u001b\\d\u001bP+q\u001b\\e\u009b2Jf\rg\u202eh\tand\nmore \u001b[?25l'

test('escape sequences, controls and marks that turn the direction are taken out; tabs and line breaks stay', () => {
  expect(printable(HOSTILE)).toBe('abcde2Jfgh\tand\nmore ')
})

test('a text that comes in pieces is the same, wherever it is cut, and nothing of it is held for ever', () => {
  for (let at = 0; at <= HOSTILE.length; at += 1) {
    const pieces = createPrintablePieces()
    expect(pieces.push(HOSTILE.slice(0, at)) + pieces.push(HOSTILE.slice(at)) + pieces.rest()).toBe(printable(HOSTILE))
  }
  const one = createPrintablePieces()
  expect(
    HOSTILE.split('')
      .map((letter) => one.push(letter))
      .join('') + one.rest(),
  ).toBe(printable(HOSTILE))
  const open = createPrintablePieces()
  open.push('\u001b]never ended')
  expect(open.push('x'.repeat(2_000))).toContain('never endedxxx')
})

test.each([1, 2, 3, 5, 8, 40])('a line cut to %i cells is not wider, whatever its letters', (columns) => {
  for (const text of ['plain ascii text', '漢字かな交じり文', '👩‍👩‍👧‍👦 family 👍🏽', 'e\u0301'.repeat(50), '\u001b[31mred']) {
    expect(stringWidth(oneLine(text, columns))).toBeLessThanOrEqual(columns)
  }
})

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ TERM: 'dumb' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, true, false],
])('with %o and a terminal %s, colours are %s', (env, isTTY, coloured) => {
  expect(styleOf({ isTTY }, env).bad('x') !== 'x').toBe(coloured)
})
