import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { runTurn, startBench } from '../testing/claude.js'
import type { TurnMessage } from '../types.js'

const linux = process.platform === 'linux'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const statOf = (pid: number) => readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ') gone')
const stateOf = async (pid: number) => (await statOf(pid)).split(') ')[1]?.split(' ')[0]

async function commandsOf(pids: number[]): Promise<string[]> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
  return texts.map((text) => text.split('\0').join(' ').trim())
}

/** The processes below `pid`, itself too. */
async function treeOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const below = await Promise.all(text.trim().split(' ').filter(Boolean).map(Number).map(treeOf))
  return [pid, ...below.flat()]
}

test.runIf(linux)(
  'a suspended turn makes no progress, its timers stand still, and it goes on where it was',
  async () => {
    const words = Array.from({ length: 20 }, (_, at) => [{ text: `${at} ` }, { wait: 50 }])
    const { start, model } = await startBench(() => words.flat())
    const session = await start()
    const seen: TurnMessage[] = []
    let during = 0
    let held: Promise<void> | undefined
    const { facts } = await runTurn(session, 'count', { idleTimeoutMs: 1_000, timeoutMs: 4_000 }, (message) => {
      seen.push(message)
      if (message.type !== 'text') return
      held ??= (async () => {
        await session.suspend()
        await pause(100)
        const before = seen.length
        await pause(1_500)
        during = seen.length - before
        expect(await stateOf(session.pid)).toBe('T')
        await pause(3_000)
        session.resume()
      })()
    })
    await held
    expect(during).toBe(0)
    expect(facts.stop).toBeUndefined()
    expect(facts.text).toBe(words.map(([word]) => word?.text).join(''))
    expect(model.requests).toHaveLength(1)
  },
)

test.runIf(linux)('tools are suspended too, and a stop then ends all of it at once without going on', async () => {
  const { start } = await startBench(() => [{ tool: 'Bash', input: { command: 'sleep 60; touch went-on' } }])
  const session = await start({}, { times: { termMs: 60_000 } })
  const stop = new AbortController()
  let pids: number[] = []
  let states: (string | undefined)[] = []
  const { facts } = await runTurn(session, 'sleep', { signal: stop.signal }, (message) => {
    if (message.type !== 'tool_use') return
    void (async () => {
      // Not the first child that comes: claude starts others, which end by themselves.
      while (!(await commandsOf(await treeOf(session.pid))).includes('sleep 60')) await pause(20)
      await session.suspend()
      pids = await treeOf(session.pid)
      states = await Promise.all(pids.map(stateOf))
    })().finally(() => stop.abort())
  })
  expect(facts).toMatchObject({ stop: 'aborted', exit: { signal: 'SIGKILL' } })
  await session.close()
  // A child that had ended stays a zombie while its parent is halted.
  expect(new Set(states.filter((state = '') => !/^(gone|Z)/.test(state)))).toEqual(new Set(['T']))
  expect(pids.length).toBeGreaterThan(1)
  for (const pid of pids) expect(await stateOf(pid)).toMatch(/^(gone|Z)/)
})
