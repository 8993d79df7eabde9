import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createProcessTable } from '../process/process-table.js'
import { claude, PATH, startBench } from '../testing/claude.js'

/** A worker in small: starts a session, begins a turn, says claude's pid once a tool runs, and waits. */
const WORKER = `
  import { createSessionStarter } from '${new URL('../../dist/index.js', import.meta.url).href}'
  const { claude, path, spec } = JSON.parse(process.argv[1])
  const startSession = await createSessionStarter({ claude, path })
  const session = await startSession(spec, new AbortController().signal)
  const options = { signal: new AbortController().signal, timeoutMs: 60000, idleTimeoutMs: 60000 }
  for await (const message of session.turn('go', options)) if (message.type === 'tool_use') console.log(session.pid)
`

test.runIf(process.platform === 'linux')(
  'when its worker is killed, claude and its tools end by themselves',
  async () => {
    const { spec } = await startBench(() => [{ tool: 'Bash', input: { command: 'sleep 300 & sleep 301 & wait' } }])
    const worker = spawn(
      process.execPath,
      ['--input-type=module', '-e', WORKER, JSON.stringify({ claude: await claude, path: PATH, spec })],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    onTestFinished(() => void worker.kill('SIGKILL'))
    const [said] = (await once(worker.stdout, 'data')) as [Buffer]
    const pid = Number(String(said))
    const table = createProcessTable()
    const owned = await table.environmentValues('CLAUDE_FLEET_OWNER')
    const mark = `CLAUDE_FLEET_OWNER=${owned.find((entry) => entry.process.pid === pid)?.value}`
    while ((await table.withEnvironment(mark)).length < 3) await delay(20)

    worker.kill('SIGKILL')
    await once(worker, 'exit')

    const deadline = performance.now() + 5_000
    let living = await table.withEnvironment(mark)
    while (living.length > 0 && performance.now() < deadline) {
      await delay(20)
      living = await table.withEnvironment(mark)
    }
    for (const entry of living) process.kill(entry.pid, 'SIGKILL')
    expect(living).toEqual([])
  },
)
