import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createSessionStarter } from '../starter.js'
import { claude, PATH, runTurn, startBench } from '../testing/claude.js'
import { livingAfter, livingOf, startDaemonBench } from '../testing/daemons.js'
import { startSmallWorker } from '../testing/worker.js'
import { createProcessCare } from './care.js'
import { detectProcessCare } from './detect.js'

const RUNGS = ['cgroup', 'namespace', 'sweep'] as const
const never = new AbortController().signal
/** What is promised, ms. */
const AFTER_MS = 5_000

/** Why the rung cannot be had here: such a test is skipped, and says so. */
const refusals = new Map<string, string>()
for (const rung of RUNGS) {
  await detectProcessCare({ path: PATH, rung }).catch((error: unknown) => refusals.set(rung, String(error)))
}

for (const rung of RUNGS) {
  const care = { path: PATH, rung }

  test.skipIf(refusals.has(rung))(
    `${rung}: closing a session ends daemons that left its group, its session and their environment`,
    async () => {
      const bench = await startDaemonBench()
      await using cared = await closing(care)
      const start = await createSessionStarter({ claude: bench.claude, path: PATH, care: cared.care })
      const session = await start(bench.spec, never)
      await runTurn(session, '[[daemons:stubborn]]')
      const daemons = await bench.pids(4)
      expect(await livingOf(daemons)).toHaveLength(4)
      expect(new Set(await session.strays())).toEqual(new Set(daemons))

      await session.close()

      expect(await livingOf([...daemons, session.pid])).toEqual([])
    },
  )

  test.skipIf(refusals.has(rung))(
    `${rung}: a claude that is killed leaves nothing once its session is closed`,
    async () => {
      const bench = await startDaemonBench('[[ignore-term]]')
      await using cared = await closing(care)
      const start = await createSessionStarter({ claude: bench.claude, path: PATH, care: cared.care })
      const session = await start(bench.spec, never)
      const daemons = bench.pids(4)
      const turn = runTurn(session, '[[daemons:stubborn]][[hang-after-result]][[bytes:900]][[slow:100,100]]')
      const pids = await daemons
      process.kill(session.pid, 'SIGKILL')
      expect((await turn).facts.exit).toMatchObject({ signal: 'SIGKILL' })

      await session.close()

      expect(await livingOf(pids)).toEqual([])
    },
  )

  test.skipIf(refusals.has(rung))(
    `${rung}: when the worker is killed nothing of its sessions lives ${AFTER_MS} ms later`,
    async () => {
      const bench = await startDaemonBench('[[ignore-term]][[ignore-eof]]')
      const worker = startSmallWorker({ ...bench, prompt: '[[daemons:stubborn]][[bytes:9000]][[slow:1000,100]]', care })
      const { pid = 0, supervisor = 0 } = await worker.said(({ message }) => message === 'init')
      const daemons = await bench.pids(4)

      worker.signal('SIGKILL')

      expect(await livingAfter([...daemons, pid, supervisor], AFTER_MS)).toEqual([])
    },
  )

  test.skipIf(refusals.has(rung))(
    `${rung}: when the worker is frozen its sessions end, which it hears later`,
    async () => {
      const bench = await startDaemonBench('[[ignore-term]][[ignore-eof]]')
      const times = { beatMs: 100, silenceMs: 1_000 }
      const worker = startSmallWorker({
        ...bench,
        prompt: '[[daemons:stubborn]][[bytes:9000]][[slow:1000,100]]',
        care: { ...care, times },
      })
      const { pid = 0 } = await worker.said(({ message }) => message === 'init')
      const daemons = await bench.pids(4)

      worker.signal('SIGSTOP')
      expect(await livingAfter([...daemons, pid], times.silenceMs + AFTER_MS)).toEqual([])
      worker.signal('SIGCONT')

      const { event } = await worker.said(({ event: told }) => told?.type === 'silence')
      expect(event).toMatchObject({ pids: expect.arrayContaining([pid]) })
    },
  )

  test.skipIf(refusals.has(rung))(
    `${rung}: real claude streams, runs Bash, and takes a detached process of it along`,
    async () => {
      const command = 'setsid sleep 300 </dev/null >/dev/null 2>&1 & echo "$!"; ps -e | wc -l; echo "home $HOME"'
      const { spec, model } = await startBench(({ toolResult }) =>
        toolResult === undefined ? [{ tool: 'Bash', input: { command } }] : [{ text: 'done' }],
      )
      await using cared = await closing(care)
      const start = await createSessionStarter({ claude: await claude, path: PATH, care: cared.care })
      const session = await start(spec, never)
      const [group, ownScore, score] = await Promise.all([
        groupOf(session.pid),
        ...['self', session.pid].map(async (pid) => Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'))),
      ])
      // Out of reach of Ctrl-C at the worker's terminal; and ended before the worker where memory runs out.
      expect(group).toBe(session.pid)
      expect(score).toBe(Math.min((ownScore ?? 0) + 300, 1_000))
      const { facts, messages } = await runTurn(session, 'go')
      expect(facts).toMatchObject({ text: 'done', tools: { Bash: 1 }, stderrTail: '' })
      expect(messages).toContainEqual(expect.objectContaining({ type: 'tool_result', isError: false }))
      expect(model.requests).toHaveLength(2)
      const [sleeper] = await session.strays()
      expect((await readFile(`/proc/${sleeper}/cmdline`, 'utf8')).split('\0')).toEqual(['sleep', '300', ''])

      await session.close()

      expect(await livingOf([sleeper ?? 0, session.pid])).toEqual([])
      expect(await session.exited).toMatchObject({ code: 143 })
    },
  )
}

async function groupOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
}

async function closing(options: Parameters<typeof createProcessCare>[0]) {
  const care = await createProcessCare(options)
  return { care, [Symbol.asyncDispose]: care.close }
}
