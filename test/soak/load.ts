import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { JobInput } from '@claude-fleet/client'
import { z } from 'zod'
import { streaming } from '../faults/cases/case.js'
import type { Acked } from '../faults/rig/rig.js'
import type { Random } from '../support/random.js'
import type { Turn } from './conversations.js'

export interface LoadDeps {
  /** Address of the API, which comes back on it when it was killed. */
  url: string
  apiKey: string
  random: Random
  acked: Acked[]
  /** Named sessions; each has a caller of its own, who does not wait for a turn before sending the next. */
  sessions: readonly string[]
}

/** What callers did, by kind of job, and what went wrong for them. */
export interface LoadFigures {
  kinds: Record<string, number>
  /** Calls that had to be repeated: the API was away, or said 503. */
  repeated: number
  /** Milliseconds from the first try of a call until its answer, the longest. */
  longestCallMs: number
}

/** Callers that send every kind of job until `signal` aborts, and repeat each call with its key until it is answered. */
export interface Load {
  figures: LoadFigures
  turns: Turn[]
  /** Resolves when every call that was begun is answered. Rejects when an answer was wrong. */
  done: Promise<unknown>
}

const CALLERS = 3
const REPEAT_MS = 300

const acceptedSchema = z.object({ id: z.string() })
const batchSchema = z.object({ items: z.array(z.object({ id: z.string() })) })

const KINDS: Record<string, { weight: number; job: (random: Random) => Partial<JobInput> & { prompt: string } }> = {
  short: { weight: 30, job: (random) => ({ prompt: streaming(200 + random(1_500)) }) },
  long: { weight: 3, job: (random) => ({ prompt: streaming(8_000 + random(8_000)) }) },
  tools: { weight: 10, job: () => ({ prompt: '[[tool:Read:{"file_path":"a"}]][[slow:4,100]][[text:done]]' }) },
  failing: {
    weight: 6,
    job: () => ({ prompt: '[[exit:3]]', attempts: 2, backoff: { type: 'fixed', delayMs: 300, jitter: 0 } }),
  },
  broken: { weight: 3, job: () => ({ prompt: '[[no-result]][[exit:0]]', attempts: 1 }) },
  delayed: { weight: 8, job: (random) => ({ prompt: streaming(300), delayMs: Math.floor(200 + random(6_000)) }) },
  urgent: { weight: 8, job: (random) => ({ prompt: streaming(300), priority: Math.floor(random(10)) }) },
  cancelled: { weight: 8, job: () => ({ prompt: streaming(12_000) }) },
  parked: { weight: 2, job: () => ({ prompt: '[[usage-limit:3]]', credential: 'limited' }) },
  batch: { weight: 3, job: () => ({ prompt: streaming(400) }) },
}

export function startLoad({ url, apiKey, random, acked, sessions }: LoadDeps, signal: AbortSignal): Load {
  const figures: LoadFigures = { kinds: {}, repeated: 0, longestCallMs: 0 }
  const weights = Object.entries(KINDS)
  const total = weights.reduce((sum, [, { weight }]) => sum + weight, 0)
  const endings: Promise<void>[] = []
  const turns: Turn[] = []

  /** The same call again and again, as a caller does who must not lose it. */
  async function ask(method: string, path: string, body?: object, key?: string): Promise<unknown> {
    const from = performance.now()
    for (;;) {
      try {
        const reply = await fetch(url + path, {
          method,
          headers: {
            authorization: `Bearer ${apiKey}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key === undefined ? {} : { 'idempotency-key': key }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(40_000),
        })
        const answer: unknown = await reply.json()
        if (reply.ok) {
          figures.longestCallMs = Math.max(figures.longestCallMs, Math.round(performance.now() - from))
          return answer
        }
        if (reply.status !== 503 && reply.status !== 429) {
          throw new WrongAnswer(`${method} ${path}: ${reply.status} ${JSON.stringify(answer)}`)
        }
      } catch (error) {
        if (error instanceof WrongAnswer) throw error
      }
      figures.repeated += 1
      await pause(REPEAT_MS)
    }
  }

  function tagged({ prompt, ...rest }: Partial<JobInput> & { prompt: string }) {
    const tag = `t${randomBytes(5).toString('hex')}`
    return { tag, body: { ...rest, prompt: `${tag} ${prompt}` } }
  }

  async function enqueue(kind: string): Promise<void> {
    const make = KINDS[kind]?.job
    if (make === undefined) return
    figures.kinds[kind] = (figures.kinds[kind] ?? 0) + 1
    const key = randomBytes(8).toString('hex')
    if (kind === 'batch') {
      const jobs = Array.from({ length: 5 }, () => tagged(make(random)))
      const { items } = batchSchema.parse(
        await ask('POST', '/v1/jobs/batch', { jobs: jobs.map(({ body }) => body) }, key),
      )
      for (const [at, { id }] of items.entries()) acked.push({ id, tag: jobs[at]?.tag ?? '' })
      return
    }
    const { tag, body } = tagged(make(random))
    const { id } = acceptedSchema.parse(await ask('POST', '/v1/jobs', body, key))
    acked.push({ id, tag })
    if (random(5) < 1) {
      const again = acceptedSchema.parse(await ask('POST', '/v1/jobs', body, key))
      if (again.id !== id) throw new WrongAnswer(`one key made two jobs: ${id} and ${again.id}`)
    }
    if (kind === 'cancelled' || kind === 'parked') {
      const ending = pause(kind === 'parked' ? 8_000 : random(5_000)).then(() => ask('DELETE', `/v1/jobs/${id}`))
      endings.push(ending.then(() => undefined))
    }
  }

  function kindOf(at: number): string {
    let left = at
    for (const [name, { weight }] of weights) {
      if (left < weight) return name
      left -= weight
    }
    return 'short'
  }

  async function call(): Promise<void> {
    while (!signal.aborted) {
      await enqueue(kindOf(random(total)))
      await pause(200 + random(900))
    }
  }

  async function converse(session: string): Promise<void> {
    while (!signal.aborted) {
      figures.kinds['turn'] = (figures.kinds['turn'] ?? 0) + 1
      const fate = random(10)
      const made = fate < 1 ? { prompt: '[[exit:3]]', attempts: 1 } : { prompt: streaming(200 + random(800)) }
      const { tag, body } = tagged({ ...made, session })
      const key = randomBytes(8).toString('hex')
      const { id } = acceptedSchema.parse(await ask('POST', '/v1/jobs', body, key))
      acked.push({ id, tag })
      turns.push({ session, id, tag })
      if (fate > 9) endings.push(ask('DELETE', `/v1/jobs/${id}`).then(() => undefined))
      await pause(1_000 + random(2_500))
    }
  }

  const callers = [...Array.from({ length: CALLERS }, call), ...sessions.map(converse)]
  const done = Promise.all(callers).then(() => Promise.all(endings))
  return { figures, turns, done }
}

class WrongAnswer extends Error {}
