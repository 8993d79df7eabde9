import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTurn, startBench } from '../testing/claude.js'
import { toldBy, type ModelStep } from '../testing/model.js'
import { verdict } from '../verdict.js'

const bash = (command: string): ModelStep[] => [{ tool: 'Bash', input: { command } }]

/** The earlier job does all it can to be remembered. */
const EARLIER: ModelStep[][] = [
  [{ tool: 'Write', input: { file_path: 'notes.txt', content: 'canary of the earlier job' } }],
  [{ tool: 'TaskCreate', input: { subject: 'canary', description: 'canary of a task' } }],
  [{ tool: 'ToolSearch', input: { query: 'select:WebFetch', max_results: 1 } }],
  bash('cd /tmp; export LEFT=canary; umask 000; alias ls=false; echo canary > $TMPDIR/left; mkdir -p $TMPDIR/a/b'),
  bash('for m in $(find $CLAUDE_CONFIG_DIR -name memory); do echo "- canary" > $m/MEMORY.md; done'),
  bash('cd $CLAUDE_CONFIG_DIR; echo canary > CLAUDE.md; mkdir rules agents; echo canary | tee rules/x.md agents/x.md'),
]
const LATER: ModelStep[][] = [
  bash('pwd; echo "[$LEFT]"; umask; type ls; ls -A $TMPDIR; grep -rl "can[a]ry" $TMPDIR $CLAUDE_CONFIG_DIR'),
  [{ tool: 'TaskList', input: {} }],
  // Only what was read in this conversation may be edited.
  [{ tool: 'Edit', input: { file_path: 'notes.txt', old_string: 'x', new_string: 'y' } }],
]
const TOOLS = { allowedTools: ['Bash', 'Write', 'Edit', 'TaskCreate', 'TaskList', 'ToolSearch'] }

function bench() {
  return startBench(({ text }) => {
    const steps = text.includes('prompt of the earlier job') ? EARLIER : LATER
    return steps[text.split('"tool_result"').length - 1] ?? [{ text: 'done' }]
  })
}

test('after a reset the model is told what a new process would tell it, and nothing of the job before is found', async () => {
  const { start, model } = await bench()
  const used = await start(TOOLS)
  const unused = await start(TOOLS)
  const earlier = await runTurn(used, 'prompt of the earlier job')
  expect(earlier.facts).toMatchObject({
    permissionDenials: [],
    tools: { Bash: 3, Write: 1, TaskCreate: 1, ToolSearch: 1 },
  })
  expect(await used.reset()).toBeUndefined()

  const told: unknown[] = []
  const later: Awaited<ReturnType<typeof runTurn>>[] = []
  for (const session of [await start(TOOLS), unused, used]) {
    model.requests.splice(0)
    later.push(await runTurn(session, 'prompt of the later job'))
    told.push(model.requests.map(toldBy))
  }
  expect(JSON.stringify(told[0])).toContain('TaskList')
  expect(told[1], 'an unused process').toEqual(told[0])
  expect(told[2], 'a used process').toEqual(told[0])
  expect(JSON.stringify(told)).not.toContain('earlier job')

  const facts = later.map((turn) => turn.facts)
  expect(facts.map((one) => verdict(one).outcome)).toEqual(['completed', 'completed', 'completed'])
  expect(new Set([earlier.facts, ...facts].map((one) => one.sessionId)).size).toBe(4)
  // What a turn costs is its own, not the running total of its process.
  expect(facts[0]?.costUsd).toBeGreaterThan(0)
  expect(facts.map((one) => [one.costUsd, one.usage])).toEqual(facts.map(() => [facts[0]?.costUsd, facts[0]?.usage]))
})

test('in a git repository, which claude looks at when it starts, no process is the same as a later one', async () => {
  const { spec, start } = await startBench(() => [{ text: 'fine' }])
  const before = await start()
  expect([before.lasts, await before.isCurrent()]).toEqual([true, true])
  await mkdir(join(spec.cwd, '.git'))
  expect(await before.isCurrent()).toBe(false)
  const below = join(spec.cwd, 'below')
  await mkdir(below)
  const inside = await start({ cwd: below })
  expect([inside.lasts, await inside.isCurrent()]).toEqual([false, false])
  await runTurn(inside, 'a prompt')
  expect(await inside.reset()).toBe('what it knows of its folder may change')
})

test('a process is reset again and again', async () => {
  const { start } = await startBench(() => [{ text: 'fine' }])
  const session = await start()
  const ids = new Set<string>()
  for (let job = 0; job < 5; job += 1) {
    ids.add((await runTurn(session, `job ${job}`)).facts.sessionId)
    expect(await session.reset()).toBeUndefined()
  }
  expect(ids.size).toBe(5)
})

test('what still runs, a failed turn, one that was stopped, a trusted workspace: no proof, no reset', async () => {
  const { start, model } = await startBench(({ text, toolResult }) => {
    if (text.includes('leave a process'))
      return toolResult === undefined ? bash('setsid sleep 600 </dev/null >/dev/null 2>&1 &') : [{ text: 'done' }]
    if (text.includes('go wrong')) return [{ status: 400 }]
    return text.includes('never answer') ? ['hang'] : [{ text: 'fine' }]
  })
  const leaving = await start(TOOLS)
  expect(await leaving.reset()).toBe('its last turn did not succeed')
  await runTurn(leaving, 'leave a process')
  expect(await leaving.reset()).toBe('something it started still runs')

  const failing = await start()
  await runTurn(failing, 'go wrong')
  expect(await failing.reset()).toBe('its last turn did not succeed')

  const stopped = await start()
  const abort = new AbortController()
  const asked = model.requests.length
  const turn = runTurn(stopped, 'never answer', { signal: abort.signal })
  while (model.requests.length === asked) await new Promise((resolve) => setImmediate(resolve))
  abort.abort()
  await turn
  expect(await stopped.reset()).toBe('its last turn did not succeed')

  const trusting = await start({ trustWorkspace: true })
  await runTurn(trusting, 'simple')
  expect(await trusting.reset()).toBe('its workspace has settings of its own')
})
