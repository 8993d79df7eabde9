import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FleetClient } from '@claude-fleet/client'
import { FleetError } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chunkOf, stepsOf } from './chunks.js'
import type { InputJob } from './input.js'
import { openJournal } from './journal.js'
import { sendChunk } from './send.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batch-send-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const IDENTITY = { sha256: 'a', fleet: 'b' }
const jobsOf = (lines: readonly number[], prompt = 'p'): InputJob[] =>
  lines.map((line) => ({ line, customId: undefined, input: { prompt: `${prompt}${line}` } }))
const idOf = (prompt: string) =>
  `j_${prompt.replaceAll(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit))).padEnd(26, 'z')}`

/** A fleet that answers a chunk as `answer` says, and remembers what it took. */
function fleetThat(answer: (prompts: string[]) => FleetError | undefined) {
  const taken = new Map<string, string[]>()
  const batch: FleetClient['batch'] = async (items, { idempotencyKey = '' } = {}) => {
    const prompts = items.map(({ prompt }) => prompt)
    const fault = answer(prompts)
    if (fault !== undefined) throw fault
    taken.set(idempotencyKey, prompts)
    return { id: 'b', items: prompts.map((prompt) => ({ id: idOf(prompt) })) }
  }
  return { client: { batch } as FleetClient, taken }
}

async function send(name: string, lines: readonly number[], answer: Parameters<typeof fleetThat>[0]) {
  const { client, taken } = fleetThat(answer)
  const path = join(folder, name)
  const journal = await openJournal(path, IDENTITY, () => 5)
  const sent: number[] = []
  const refused: (readonly [number, string])[] = []
  const sending = sendChunk(
    {
      client,
      journal,
      patience: { call: (ask) => ask() },
      onSent: ({ line }) => sent.push(line),
      onRefused: async ({ line }, { message }) => void refused.push([line, message]),
    },
    chunkOf(jobsOf(lines)),
    new AbortController().signal,
  )
  const error = await sending.catch((reason: unknown) => reason)
  await journal.close()
  return { taken: [...taken.values()], keys: [...taken.keys()], sent, refused, error, path }
}

test('lines that the fleet refuses are told, and the others of their chunk sent without them', async () => {
  const refuse = (prompts: string[]) => {
    const errors = prompts.flatMap((prompt, at) =>
      prompt === 'p2' || prompt === 'p4' ? [{ path: `jobs.${at}.env.X`, message: 'is not allowed' }] : [],
    )
    return errors.length === 0 ? undefined : new FleetError('INVALID_REQUEST', 'no', { details: { errors } })
  }
  const { taken, sent, refused, error, path } = await send('refused', [1, 2, 3, 4, 5], refuse)
  expect(error).toBeUndefined()
  expect(taken).toEqual([['p1', 'p3', 'p5']])
  expect({ sent, refused }).toEqual({
    sent: [1, 3, 5],
    refused: [
      [2, 'env.X is not allowed'],
      [4, 'env.X is not allowed'],
    ],
  })
  const again = await openJournal(path, IDENTITY, () => 6)
  expect([...again.ids.keys()]).toEqual([1, 3, 5])
  expect(again.open.size).toBe(0)
  await again.close()
})

test('a chunk that is too long for what is between goes in halves, down to the one line', async () => {
  const tooLong = (prompts: string[]) =>
    prompts.length > 2 || prompts.includes('p3') ? new FleetError('PAYLOAD_TOO_LARGE', 'too long') : undefined
  const { taken, keys, sent, refused } = await send('long', [1, 2, 3, 4, 5], tooLong)
  expect(taken.flat().toSorted()).toEqual(['p1', 'p2', 'p4', 'p5'])
  expect(new Set(keys).size).toBe(keys.length)
  expect({ sent: sent.toSorted((a, b) => a - b), refused }).toEqual({ sent: [1, 2, 4, 5], refused: [[3, 'too long']] })
})

test('what is about the key or the fleet ends the batch, and the chunk stays open', async () => {
  for (const code of ['UNAUTHENTICATED', 'FORBIDDEN', 'UNAVAILABLE', 'IDEMPOTENCY_MISMATCH'] as const) {
    const { error, sent, path } = await send(code, [1, 2], () => new FleetError(code, 'no'))
    expect({ error, sent }).toMatchObject({ error: { code }, sent: [] })
    const again = await openJournal(path, IDENTITY, () => 9)
    expect([...again.open]).toEqual([['1-2', { lines: [1, 2], sentAt: 5 }]])
    await again.close()
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(3)
  }
})

test('continued, an open chunk comes again whole, what is known is not sent, and the rest goes into new chunks', async () => {
  const journal = await openJournal(join(folder, 'steps'), IDENTITY, () => 5)
  await journal.sending('1-2', [1, 2])
  await journal.answered('1-2', [idOf('p1'), idOf('p2')])
  await journal.sending('3-3', [3, 5, 6])
  await journal.close()
  const kept = await openJournal(join(folder, 'steps'), IDENTITY, () => 5)
  async function* input() {
    yield* jobsOf([1, 2, 3, 4, 5, 6, 7])
    yield* jobsOf([8, 9], 'long'.repeat(150_000))
  }
  const steps: unknown[] = []
  for await (const step of stepsOf(input(), { journal: kept, done: new Set([1]), size: 10 })) {
    steps.push(step.type === 'known' ? step.job.line : [step.chunk.key, step.chunk.jobs.map(({ line }) => line)])
  }
  await kept.close()
  expect(steps).toEqual([2, ['3-3', [3, 5, 6]], ['4-3', [4, 7, 8]], ['9-1', [9]]])
})
