import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createProcessTable, readEntry } from './process-table.js'
import { endTree } from './tree.js'

const linux = process.platform === 'linux'
const table = createProcessTable()

/**
 * The tree of the field: a root that ignores SIGTERM if asked, a child in its group, one in a session of its own, and a
 * daemon whose parent has ended. Each prints its pid.
 */
async function startTree(options: { ignoresTerm: boolean }) {
  const mark = `FLEET_TEST_MARK=${process.pid}-${performance.now()}`
  const script = `
    ${options.ignoresTerm ? "trap '' TERM" : ':'}
    sleep 300 & echo $!
    setsid sh -c 'echo $$; sleep 300; :' &
    (setsid sh -c 'echo $$; trap "" TERM; sleep 300; :' &)
    sleep 0.2; echo ready
    while :; do sleep 300; done`
  const [name, value] = mark.split('=') as [string, string]
  const root = spawn('sh', ['-c', script], {
    env: { PATH: process.env.PATH, [name]: value },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(root, 'exit')
  let said = ''
  for await (const chunk of root.stdout) if ((said += String(chunk)).includes('ready')) break
  const pids = [root.pid ?? 0, ...[...said.matchAll(/\d+/g)].map(Number)]
  onTestFinished(() => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Ended, as it should have.
      }
    }
  })
  return {
    pids,
    mark,
    root: { pid: root.pid ?? 0, living: () => root.exitCode === null && root.signalCode === null, exited, mark },
  }
}

const living = async (pids: readonly number[]): Promise<number[]> => {
  const entries = await Promise.all(pids.map((pid) => readEntry(pid)))
  return entries.flatMap((entry) => (entry === undefined ? [] : [entry.pid]))
}

test.runIf(linux).each([
  ['that ends on SIGTERM', false],
  ['that ignores SIGTERM', true],
])('nothing of a tree lives after its end: a root %s, a group, a session and a daemon', async (_name, ignoresTerm) => {
  const tree = await startTree({ ignoresTerm })
  expect(tree.pids).toHaveLength(4)
  expect(await living(tree.pids)).toEqual(tree.pids)

  await endTree(tree.root, table, { termMs: 300, killMs: 5_000 })

  expect(await living(tree.pids)).toEqual([])
  expect(await table.withEnvironment(tree.mark)).toEqual([])
})

test.runIf(linux)('what a root left behind that has long ended is found by its mark', async () => {
  const tree = await startTree({ ignoresTerm: false })
  process.kill(tree.root.pid, 'SIGKILL')
  await tree.root.exited
  expect((await living(tree.pids)).length).toBeGreaterThanOrEqual(3)

  await endTree(tree.root, table, { termMs: 300, killMs: 5_000 })

  expect(await living(tree.pids)).toEqual([])
})

test.runIf(linux)('a process that cannot be ended is an error, not a success', async () => {
  const immortal = { pid: process.pid, parent: 1, startTicks: '1' }
  const neverEnds = { list: async () => [immortal], withEnvironment: async () => [], environmentValues: async () => [] }
  const root = { pid: 2 ** 22 + 1, living: () => false, exited: new Promise(() => undefined), mark: 'A=b' }
  await expect(endTree(root, neverEnds, { termMs: 10, killMs: 50 })).rejects.toMatchObject({ code: 'INTERNAL' })
})
