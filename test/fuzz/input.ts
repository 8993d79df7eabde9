import fc from 'fast-check'

/** Texts that have been trouble somewhere. */
const TROUBLE = [
  '',
  ' ',
  '0',
  '-1',
  '1e309',
  'NaN',
  'null',
  'true',
  '[]',
  '{}',
  '{',
  '\0',
  '\r\n\r\n',
  '\ndata: {"type":"completed"}\n\n',
  '\u2028\u2029\u0085\u00a0\ufeff',
  '\ud800',
  '\udc00\ud800',
  '\u202e',
  '\u001b]52;c;eA==\u0007',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  '..%2f..%2f',
  '/dev/stdin',
  '~root',
  '--version',
  '-',
  '--',
  '$(id)',
  '`id`',
  '%s%n',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '*',
  '?',
  '[a-',
  'a'.repeat(300),
  'é'.repeat(700),
  '9'.repeat(400),
  '9007199254740993',
  '0x10',
  '１',
  `j_${'a'.repeat(26)}`,
  `s_${'a'.repeat(26)}`,
] as const

/** Any text: trouble, Unicode of any kind, lone surrogates too. */
export const anyText = fc.oneof(
  fc.constantFrom(...TROUBLE),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 12 }),
)

/** Any JSON value. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: anyText },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -0,
      -1,
      0.5,
      1e21,
      Number.MAX_SAFE_INTEGER + 2,
      Number.MIN_VALUE,
      [],
      {},
      [[]],
      [null],
      { '': '' },
      { type: 'completed' },
    ),
  },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }) },
  { weight: 1, arbitrary: fc.constantFrom(20, 80, 300).map(nested) },
)

/** `value` with up to three places of it bent: replaced, taken out, put in, repeated. */
export function bent(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const bend = fc.record({ at: fc.nat(), how: fc.nat(4), with: anyJson, name: anyText })
  const bends = fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(bend, { maxLength: 3 }) },
  )
  return fc.tuple(value, bends).map(([whole, list]) => list.reduce((now, one) => bendOnce(now, one), whole))
}

/** `bytes` with up to four places of it flipped, cut out, repeated or replaced. */
export function bentBytes(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 8 }).map((some) => Buffer.from(some)),
    anyText.map((text) => Buffer.from(text)),
  )
  const bend = fc.record({ at: fc.nat(), length: fc.nat(30), how: fc.nat(3), noise })
  return fc.tuple(bytes, fc.array(bend, { maxLength: 4 })).map(([whole, list]) =>
    list.reduce<Buffer>((now, { at, length, how, noise: put }) => {
      const start = at % (now.length + 1)
      const piece = now.subarray(start, start + length)
      const middle = [Buffer.alloc(0), put, Buffer.concat([piece, piece]), flipped(piece)][how] ?? piece
      return Buffer.concat([now.subarray(0, start), middle, now.subarray(start + length)])
    }, Buffer.from(whole)),
  )
}

/** Cuts bytes into pieces at any places. */
export function piecesOf(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end))
}

function nested(levels: number): unknown {
  let value: unknown = 'x'
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

interface Bend {
  at: number
  how: number
  with: unknown
  name: string
}

function bendOnce(value: unknown, bend: Bend): unknown {
  const places = placesOf(value)
  return bendAt(value, places[bend.at % places.length] ?? [], bend)
}

/** Paths of all values within. */
function placesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null || path.length > 8) return [path]
  return [path, ...Object.entries(value).flatMap(([name, child]) => placesOf(child, [...path, name]))]
}

function bendAt(value: unknown, [name, ...rest]: readonly string[], bend: Bend): unknown {
  if (name === undefined) return bendHere(value, bend)
  if (Array.isArray(value)) return value.map((child, at) => (String(at) === name ? bendAt(child, rest, bend) : child))
  const entries = Object.entries(value as object)
  if (bend.how === 1 && rest.length === 0) return Object.fromEntries(entries.filter(([key]) => key !== name))
  return Object.fromEntries(entries.map(([key, child]) => [key, key === name ? bendAt(child, rest, bend) : child]))
}

function bendHere(value: unknown, bend: Bend): unknown {
  if (bend.how === 2 && Array.isArray(value)) return [...value, ...(value as unknown[]), bend.with]
  // As JSON would make it: also a key `__proto__` is a key of the object's own.
  if (bend.how === 3 && typeof value === 'object' && value !== null)
    return Object.fromEntries([...Object.entries(value), [bend.name, bend.with]])
  if (bend.how === 4 && typeof value === 'string') return value + bend.name
  return bend.with
}

function flipped(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, at) => byte ^ (1 << (at % 8))))
}
