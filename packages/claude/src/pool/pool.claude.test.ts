import { expect, test } from 'vitest'
import { createProcessTable } from '../process/process-table.js'
import { createSessionStarter } from '../starter.js'
import { claude, PATH, runTurn, startBench } from '../testing/claude.js'
import { toldBy } from '../testing/model.js'
import { verdict } from '../verdict.js'
import { createSessionPool } from './pool.js'

const never = new AbortController().signal

test('the pool hands out real sessions, each with a conversation of its own, and leaves no process', async () => {
  const { spec, model } = await startBench(({ text }) => [
    { text: text.includes('the first prompt') ? 'first' : 'other' },
  ])
  const pool = createSessionPool(
    { startSession: await createSessionStarter({ claude: await claude, path: PATH }) },
    { max: 1 },
  )
  const pids: number[] = []
  const job = async (prompt: string): Promise<unknown> => {
    const lease = await pool.acquire(spec, { signal: never })
    pids.push(lease.session.pid)
    const judged = verdict((await runTurn(lease.session, prompt)).facts)
    await lease.release()
    return judged
  }
  const outcomes = await Promise.all([job('the first prompt'), job('the second prompt')])

  expect(outcomes).toMatchObject([
    { outcome: 'completed', text: 'first' },
    { outcome: 'completed', text: 'other' },
  ])
  expect(model.requests).toHaveLength(2)
  await pool.acquire(spec, { signal: never }).then((lease) => pids.push(lease.session.pid))
  await pool.stop()
  expect(new Set(pids).size).toBe(3)
  const living = (await createProcessTable().list()).map((entry) => entry.pid)
  expect(living.filter((pid) => pids.includes(pid))).toEqual([])
  expect(pool.stats()).toMatchObject({ created: 3, cold: 3, destroyed: 3, leased: 0 })
})

test('an acquire that is aborted while claude starts leaves nothing of it', async () => {
  const { spec } = await startBench(() => [{ text: 'x' }])
  // Its start takes longer than it can take to see it.
  const spawnWrapper = () => ['/bin/sh', '-c', 'sleep 60; exec "$0" "$@"']
  const startSession = await createSessionStarter({ claude: await claude, path: PATH, spawnWrapper })
  const pool = createSessionPool({ startSession }, { max: 1 })
  const abort = new AbortController()
  const acquired = pool.acquire(spec, { signal: abort.signal })
  const table = createProcessTable()
  const ours = async (): Promise<string[]> =>
    (await table.environmentValues('HOME')).filter(({ value }) => value === spec.home).map(({ value }) => value)
  while ((await ours()).length === 0) await new Promise((resolve) => setImmediate(resolve))
  abort.abort(new Error('cancelled'))
  await expect(acquired).rejects.toThrow('cancelled')
  await pool.stop()
  expect(await ours()).toEqual([])
})

test('the model receives the same from a cold start, a spare and a process that has served; stop leaves none', async () => {
  const { spec, model } = await startBench(() => [{ text: 'fine' }])
  const pool = createSessionPool(
    { startSession: await createSessionStarter({ claude: await claude, path: PATH }) },
    { max: 2, spares: 1, idleMs: 60_000 },
  )
  const wanted = { ...spec, systemPrompt: 'Speak plainly.', model: 'sonnet' }
  const starts: string[] = []
  const sessionIds = new Set<string>()
  const job = async (end: 'release' | 'discard'): Promise<void> => {
    const lease = await pool.acquire(wanted, { signal: never })
    starts.push(lease.start)
    const { facts } = await runTurn(lease.session, 'the prompt')
    expect(verdict(facts)).toMatchObject({ outcome: 'completed', text: 'fine' })
    sessionIds.add(facts.sessionId)
    await lease[end]()
  }
  await job('discard')
  while (pool.stats().spares < 1) await new Promise((resolve) => setTimeout(resolve, 10))
  await job('release')
  await job('release')
  const table = createProcessTable()
  const ours = async (): Promise<number> =>
    (await table.environmentValues('HOME')).filter(({ value }) => value === spec.home).length
  expect(await ours()).toBeGreaterThan(0)
  await pool.stop()

  expect(starts).toEqual(['cold', 'spare', 'reused'])
  expect(sessionIds.size).toBe(3)
  const [cold, ...others] = model.requests.map(toldBy)
  expect(others).toEqual([cold, cold])
  expect(JSON.stringify(cold)).toContain('Speak plainly.')
  expect(await ours()).toBe(0)
})
