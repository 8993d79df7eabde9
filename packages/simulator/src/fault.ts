import { z } from 'zod'

/** What goes wrong with a reply instead of, or in the middle of, the answer. */
export type Fault =
  | { kind: 'status'; code: number; message: string | undefined }
  /** 429 with the unified rate-limit headers, reset in `seconds`. */
  | { kind: 'usage-limit'; seconds: number }
  /** Never answers, or not after `pieces` of the answer; 0: after the headers. */
  | { kind: 'hang' }
  | { kind: 'hang-after'; pieces: number }
  /** Drops the connection after so many pieces. */
  | { kind: 'cut'; pieces: number }
  /** Drops the connection before it answers. */
  | { kind: 'reset' }
  /** `event: error` after so many pieces of a reply that began well. */
  | { kind: 'sse-error'; pieces: number }

/** A fault, and how often it happens: `times` undefined is always. */
export interface PlannedFault {
  fault: Fault
  times: number | undefined
}

const NO_CREDIT =
  'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.'
const TOO_LONG = 'prompt is too long: 250000 tokens > 200000 maximum'

const count = z.coerce.number().int().min(0).max(1_000_000)
const statusCode = z.coerce.number().int().min(400).max(599)

/**
 * The fault that a mark asks for; undefined where it is no fault's. `-once` behind any name limits it to TIMES (1), the
 * last part of its value. Throws where the value does not fit.
 */
export function readFault(name: string, value: string): PlannedFault | undefined {
  const once = name.endsWith('-once')
  const kind = once ? name.slice(0, -'-once'.length) : name
  const read = Object.hasOwn(FAULTS, kind) ? FAULTS[kind] : undefined
  if (read === undefined) return undefined
  const parts = value === '' ? [] : value.split(',')
  if (parts.length > read.parts + (once ? 1 : 0)) throw new RangeError(`${name} takes fewer values`)
  const times = once ? count.min(1).parse(parts[read.parts] ?? 1) : undefined
  return { fault: read.fault(parts[0]), times }
}

/** How many values the mark takes before TIMES, and what it makes of the first. */
const FAULTS: Readonly<Record<string, { parts: 0 | 1; fault: (value: string | undefined) => Fault }>> = {
  status: {
    parts: 1,
    fault: (value) => ({ kind: 'status', code: statusCode.parse(value), message: undefined }),
  },
  'no-credit': { parts: 0, fault: () => ({ kind: 'status', code: 400, message: NO_CREDIT }) },
  'prompt-too-long': { parts: 0, fault: () => ({ kind: 'status', code: 400, message: TOO_LONG }) },
  'usage-limit': { parts: 1, fault: (value) => ({ kind: 'usage-limit', seconds: count.parse(value) }) },
  hang: { parts: 0, fault: () => ({ kind: 'hang' }) },
  'hang-headers': { parts: 0, fault: () => ({ kind: 'hang-after', pieces: 0 }) },
  'hang-after': { parts: 1, fault: (value) => ({ kind: 'hang-after', pieces: count.parse(value) }) },
  cut: { parts: 1, fault: (value) => ({ kind: 'cut', pieces: count.parse(value) }) },
  reset: { parts: 0, fault: () => ({ kind: 'reset' }) },
  'sse-error': { parts: 1, fault: (value) => ({ kind: 'sse-error', pieces: count.parse(value ?? 0) }) },
}

/** Counts how often each prompt has met its limited faults: a retry of the same prompt is a later time. */
export function createFaultCounter(): (prompt: string, faults: readonly PlannedFault[]) => Fault | undefined {
  const met = new Map<string, number>()
  return (prompt, faults) => {
    for (const [place, { fault, times }] of faults.entries()) {
      if (times === undefined) return fault
      const key = `${place} ${prompt}`
      const before = met.get(key) ?? 0
      if (before >= times) continue
      met.set(key, before + 1)
      return fault
    }
    return undefined
  }
}
