import { z } from 'zod'
import { readMarks } from '../mark.js'

/**
 * How a fake claude does what claude should not. Of the whole process where the marks stand in its environment, else of
 * the turn of their prompt. The README says what each does.
 */
export interface Misbehaviour {
  startDelayMs: number
  startHang: boolean
  startExit: { code: number; text: string } | undefined
  ignoresTerm: boolean
  ignoresEof: boolean
  ignoresInterrupt: boolean
  /** Before the turn's first line. */
  hangsBeforeInit: boolean
  stderr: string
  stderrBytes: number
  garbageLines: number
  badBytes: boolean
  /** Bytes of one well-formed line; of one without an end; of many lines. */
  lineBytes: number
  openLineBytes: number
  floodBytes: number
  daemons: 'none' | 'polite' | 'stubborn'
  killsParent: boolean
  /** In the middle of the answer. */
  ends: { code: number } | { signal: NodeJS.Signals } | undefined
  /** Every line is written in pieces. */
  splits: boolean
  /** Half of the result is written, then it exits. */
  halfResult: boolean
  hasResult: boolean
  unsolicited: boolean
  unsolicitedAfterMs: number | undefined
  /** After the result. */
  exitsAfter: number | undefined
  hangsAfter: boolean
}

const MAX_BYTES = 1024 * 1024 * 1024
const SIGNALS = ['SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGABRT', 'SIGHUP', 'SIGINT', 'SIGSTOP'] as const

const bytes = z.coerce.number().int().min(1).max(MAX_BYTES)
const code = z.coerce.number().int().min(0).max(255)
const ms = z.coerce.number().int().min(0).max(86_400_000)
const nothing = z.literal('')

/** Reads the marks of misbehaviour in `text`. What is none, or does not fit, is in `rest`. */
export function readMisbehaviour(text: string): { misbehaviour: Misbehaviour; rest: string } {
  const misbehaviour: Misbehaviour = {
    startDelayMs: 0,
    startHang: false,
    startExit: undefined,
    ignoresTerm: false,
    ignoresEof: false,
    ignoresInterrupt: false,
    hangsBeforeInit: false,
    stderr: '',
    stderrBytes: 0,
    garbageLines: 0,
    badBytes: false,
    lineBytes: 0,
    openLineBytes: 0,
    floodBytes: 0,
    daemons: 'none',
    killsParent: false,
    ends: undefined,
    splits: false,
    halfResult: false,
    hasResult: true,
    unsolicited: false,
    unsolicitedAfterMs: undefined,
    exitsAfter: undefined,
    hangsAfter: false,
  }
  const { rest } = readMarks(text, ({ name, value }) => {
    const apply = Object.hasOwn(MARKS, name) ? MARKS[name] : undefined
    if (apply === undefined) return false
    try {
      apply(misbehaviour, value)
      return true
    } catch (error) {
      if (error instanceof z.ZodError) return false
      throw error
    }
  })
  return { misbehaviour, rest }
}

type Flag = {
  [Name in keyof Misbehaviour]: Misbehaviour[Name] extends boolean ? Name : never
}[keyof Misbehaviour]

function flag(name: Flag, to = true): (misbehaviour: Misbehaviour, value: string) => void {
  return (misbehaviour, value) => {
    nothing.parse(value)
    misbehaviour[name] = to
  }
}

const MARKS: Readonly<Record<string, (misbehaviour: Misbehaviour, value: string) => void>> = {
  'start-delay': (one, value) => void (one.startDelayMs = ms.parse(value)),
  'start-hang': flag('startHang'),
  'start-exit'(one, value) {
    const [exitCode, ...text] = value.split(',')
    one.startExit = { code: code.parse(exitCode), text: text.join(',') }
  },
  'ignore-term': flag('ignoresTerm'),
  'ignore-eof': flag('ignoresEof'),
  'ignore-interrupt': flag('ignoresInterrupt'),
  'hang-init': flag('hangsBeforeInit'),
  stderr: (one, value) => void (one.stderr = value),
  'stderr-bytes': (one, value) => void (one.stderrBytes = bytes.parse(value)),
  garbage: (one, value) => void (one.garbageLines = z.coerce.number().int().min(1).max(1_000_000).parse(value)),
  'bad-bytes': flag('badBytes'),
  line: (one, value) => void (one.lineBytes = bytes.min(100).parse(value)),
  'open-line': (one, value) => void (one.openLineBytes = bytes.parse(value)),
  flood: (one, value) => void (one.floodBytes = bytes.parse(value)),
  daemons: (one, value) => void (one.daemons = z.enum(['polite', 'stubborn']).parse(value || 'polite')),
  'kill-parent': flag('killsParent'),
  exit: (one, value) => void (one.ends = { code: code.parse(value) }),
  kill: (one, value) => void (one.ends = { signal: z.enum(SIGNALS).parse(value) }),
  split: flag('splits'),
  'half-result': flag('halfResult'),
  'no-result': flag('hasResult', false),
  unsolicited: flag('unsolicited'),
  'unsolicited-later': (one, value) => void (one.unsolicitedAfterMs = ms.parse(value)),
  'exit-after': (one, value) => void (one.exitsAfter = code.parse(value)),
  'hang-after-result': flag('hangsAfter'),
}
