import { expect, test } from 'vitest'
import { createProcessTable } from '../process/process-table.js'
import { createSessionStarter } from '../starter.js'
import { claude, PATH, runTurn, startBench } from '../testing/claude.js'
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
  const pool = createSessionPool(
    { startSession: await createSessionStarter({ claude: await claude, path: PATH }) },
    { max: 1 },
  )
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
