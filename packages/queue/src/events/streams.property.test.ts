import {
  FleetError,
  fleetEventSchema,
  isEndEvent,
  type EventBody,
  type FleetEvent,
  type StreamEvent,
} from '@claude-fleet/core'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { within } from '../redis/deadline.js'
import { completed, openFleet, SHORT_LOCKS, started, TENANT, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim } from '../types.js'

/** The long form: `STREAM_RUNS=400 node_modules/.bin/vitest run packages/queue/src/events`. */
const RUNS = Number(process.env['STREAM_RUNS'] ?? 6)
const SEED = process.env['STREAM_SEED']
const RUN_MS = 30_000

let server: TestRedis
let fleet: TestFleet
/** Hears all that is published, over a line that is never cut. */
let witness: Redis
const published = new Map<string, FleetEvent[]>()
const claims = new Map<string, (claim: Claim) => Promise<AttemptOutcome>>()

beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
  await fleet.consume((claim) => claims.get(claim.jobId)?.(claim) ?? Promise.reject(new Error('an unknown job')), {
    timing: SHORT_LOCKS,
  })
  witness = new Redis(server.url, { connectionName: 'witness' })
  await witness.psubscribe(`${fleet.prefix}:events:*`)
  witness.on('pmessage', (_pattern, channel: string, text: string) => {
    const events = z.array(fleetEventSchema).parse(JSON.parse(text))
    const id = channel.split(':').at(-1) ?? ''
    published.set(id, [...(published.get(id) ?? []), ...events])
  })
})
afterAll(async () => {
  witness.disconnect()
  await fleet.close()
  await server.stop()
})

/** What may happen to a stream. A number chooses among what there is at that moment. */
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), count: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('breathe' as const), turns: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('join' as const), at: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('drop' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), keep: fc.integer({ min: 0, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('next attempt' as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
)
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never

/** Has a cut log, and a reader who comes back: so that a few runs meet both. */
const SURE: Step[] = [
  { do: 'write', count: 9 },
  { do: 'trim', keep: 0 },
  { do: 'join', at: 0 },
  { do: 'drop', which: 0 },
  { do: 'write', count: 9 },
]

test('whoever joins, drops and comes back, and whatever becomes of line, log and attempt: each reader has each event once', async () => {
  const seen = { readers: 0, resumes: 0, gaps: 0, events: 0 }
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const told = await within(RUN_MS, play(todo), 'the run hangs')
      for (const [name, count] of Object.entries(told)) seen[name as keyof typeof seen] += count
    }),
    { numRuns: RUNS, endOnFailure: true, examples: [[SURE]], ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  )
  // The runs did meet what they are about.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(0)
}, 1_800_000)

async function play(todo: readonly Step[]) {
  const id = await enqueue()
  const job = drive(id)
  const readers: Reader[] = [openReader(id, 0)]
  let trimmed = false
  let written = 0
  for (const step of todo) {
    switch (step.do) {
      case 'write':
        for (let at = 0; at < step.count; at += 1) (await job.claim())?.write(bodyOf((written += 1)))
        break
      case 'breathe':
        for (let turn = 0; turn < step.turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
        break
      case 'join':
        readers.push(openReader(id, step.at % ((published.get(id)?.length ?? 0) + 1)))
        break
      case 'drop':
        readers[step.which % readers.length]?.drop()
        break
      case 'cut':
        await cutLine(step.which)
        break
      case 'trim':
        trimmed = true
        await witnessed((line) => line.xtrim(fleet.keys.log(id), 'MAXLEN', step.keep))
        break
      case 'forget':
        await forgetLast(id)
        break
      case 'next attempt':
        await job.again()
        break
    }
  }
  await job.complete()
  const ended = await Promise.all(readers.map((reader) => reader.ended))
  const truth = [...new Map((published.get(id) ?? []).map((event) => [event.seq, event])).values()]
  expect(truth.map(({ seq }) => seq)).toEqual(truth.map((_, at) => at + 1))
  const lost = truth.some(
    (event) => event.type === 'failed' || (event.type === 'retry' && event.error.code === 'WORKER_LOST'),
  )
  if (!lost) expect(tokensOf(truth)).toEqual(Array.from({ length: written }, (_, at) => at + 1))
  for (const { after, events } of ended) mustBeWhole(events, truth, { after, trimmed })
  published.delete(id)
  const gaps = ended.flatMap(({ events }) => events.filter(({ type }) => type === 'gap')).length
  const resumes = ended.reduce((sum, reader) => sum + reader.resumes, 0)
  return { readers: readers.length, resumes, gaps, events: ended.reduce((sum, { events }) => sum + events.length, 0) }
}

/** The line may still be away from the run before. */
async function enqueue(): Promise<string> {
  for (;;) {
    try {
      return (await fleet.enqueue({ attempts: 10 })).id
    } catch (error) {
      mustBeAway(error)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

function mustBeAway(error: unknown): void {
  if (!(error instanceof FleetError) || error.code !== 'UNAVAILABLE') throw error
}

/** Every event of the truth from `after` on, once, in order; what is missing is named by a gap, and only a trimmed log has one. */
function mustBeWhole(
  events: StreamEvent[],
  truth: FleetEvent[],
  { after, trimmed }: { after: number; trimmed: boolean },
) {
  let position = after
  for (const event of events) {
    if (event.type === 'gap') {
      expect(trimmed).toBe(true)
      expect(event.from).toBe(position + 1)
      position = event.to
      continue
    }
    expect(event).toEqual(truth[position])
    position += 1
  }
  expect(position).toBe(truth.length)
  // A reader who joined behind the end has nothing to hear.
  if (after < truth.length) expect(events.filter(isEndEvent)).toHaveLength(1)
}

/** Each body carries its number, wherever pieces grow together. */
function bodyOf(number: number): EventBody {
  if (number % 7 === 0) return { type: 'log', stream: 'stderr', line: `${number},` }
  return { type: number % 11 < 2 ? 'thinking' : 'text', text: `${number},` }
}

function tokensOf(events: readonly FleetEvent[]): number[] {
  const text = events.map((event) => {
    if (event.type === 'text' || event.type === 'thinking') return event.text
    return event.type === 'log' ? event.line : ''
  })
  return text.join('').split(',').filter(Boolean).map(Number)
}

interface Reader {
  drop(): void
  ended: Promise<{ after: number; events: StreamEvent[]; resumes: number }>
}

/** Reads to the end as a client does: when its line breaks it comes back with the last number it has. */
function openReader(id: string, after: number): Reader {
  let line = new AbortController()
  const events: StreamEvent[] = []
  let resumes = 0
  const limit = performance.now() + RUN_MS
  const read = async () => {
    for (;;) {
      const position = events.at(-1)?.seq ?? after
      try {
        for await (const event of fleet.reader.events(TENANT, id, { after: position, signal: line.signal })) {
          events.push(event)
        }
        if (!line.signal.aborted) return { after, events, resumes }
      } catch (error) {
        mustBeAway(error)
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (performance.now() > limit) throw new Error(`a reader hangs at ${position}`)
      if (line.signal.aborted) line = new AbortController()
      resumes += 1
    }
  }
  return { drop: () => line.abort(), ended: read() }
}

/**
 * The worker's side of one job, attempt by attempt. On a busy machine a cut line can cost an attempt its lock; then the
 * job is lost, and begun again, or failed: `claim` has none when it has ended.
 */
function drive(id: string) {
  let claim: Claim | undefined
  let finish: (outcome: AttemptOutcome) => void = () => {}
  claims.set(id, (next) => {
    next.write(started)
    claim = next
    return new Promise<AttemptOutcome>((resolve) => {
      finish = resolve
      next.signal.addEventListener('abort', () => resolve({ type: 'fenced', costUsd: 0, usage: USAGE, tools: {} }), {
        once: true,
      })
    })
  })
  const current = async () => {
    await expect.poll(() => claim !== undefined || hasEnded(id), { interval: 1, timeout: RUN_MS }).toBe(true)
    return claim
  }
  return {
    claim: current,
    async again() {
      const { attempt = 8 } = (await current()) ?? {}
      // The last allowed attempts are kept for the end.
      if (attempt >= 8) return
      claim = undefined
      const error = { code: 'NETWORK' as const, message: 'x', retryable: true, attempt, details: {} }
      finish({ type: 'retry', error, delayMs: 0, costUsd: 0, usage: USAGE, tools: {} })
    },
    async complete() {
      while (!hasEnded(id)) {
        const last = await current()
        if (last !== undefined) finish(completed(last))
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    },
  }
}

const hasEnded = (id: string) => published.get(id)?.some(isEndEvent) === true

async function witnessed<T>(work: (line: Redis) => Promise<T>): Promise<T> {
  const line = new Redis(server.url, { connectionName: 'witness' })
  try {
    return await work(line)
  } finally {
    await line.quit().catch(() => line.disconnect())
  }
}

/** Cuts one connection of a reader or of the worker, subscribers and BullMQ's own among them. */
async function cutLine(which: number): Promise<void> {
  await witnessed(async (line) => {
    const list = (await line.call('CLIENT', 'LIST')) as string
    const ids = list.split('\n').flatMap((text) => {
      return /name=witness/.test(text) || text === '' ? [] : [/^id=(\d+)/.exec(text)?.[1] ?? '']
    })
    const id = ids[which % ids.length]
    if (id !== undefined) await line.call('CLIENT', 'KILL', 'ID', id)
  })
}

/** A Redis that was killed comes back without its last moments: the last entry that the running attempt wrote is gone. */
async function forgetLast(id: string): Promise<void> {
  const script = `
    local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 2)
    local begun, state = unpack(redis.call('HMGET', KEYS[1], 'begunSeq', 'state'))
    if state ~= 'active' or #last < 2 or tonumber(string.match(last[2][1], '^%d+')) < tonumber(begun) then return 0 end
    redis.call('XDEL', KEYS[2], last[1][1])
    redis.call('XSETID', KEYS[2], last[2][1])
    redis.call('HSET', KEYS[1], 'seq', (string.match(last[2][1], '^%d+')))
    return 1`
  // With every line cut in the same moment, as a Redis that dies cuts them.
  await witnessed((line) => {
    return line
      .multi()
      .eval(script, 2, fleet.keys.job(id), fleet.keys.log(id))
      .call('CLIENT', 'KILL', 'TYPE', 'normal')
      .exec()
  })
}
