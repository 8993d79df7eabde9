import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../../support/fleet.js'
import { HAS_TERMINAL, startInTerminal } from '../../support/terminal.js'

const BIN = join(import.meta.dirname, '..', '..', '..', 'node_modules', '.bin')
const SHELLS = [
  { name: 'bash', start: 'bash --norc --noprofile -i', load: 'source <(claude-fleet completion bash)' },
  {
    name: 'zsh',
    start: 'zsh -f -i',
    load: 'autoload -Uz compinit; compinit -D -u; source <(claude-fleet completion zsh)',
  },
  { name: 'fish', start: 'fish --no-config -i', load: 'claude-fleet completion fish | source' },
].map((shell) => ({ ...shell, isThere: spawnSync(shell.name, ['--version']).status === 0 }))

let fleet: TestFleet
let id: string
beforeAll(async () => {
  fleet = await startFleet()
  id = (await fleet.http.enqueue({ prompt: 'p', delayMs: 600_000 })).id
})
afterAll(() => fleet[Symbol.asyncDispose]())

describe.each(SHELLS)('$name', ({ name, start, load, isThere }) => {
  test.runIf(isThere && HAS_TERMINAL)('completes commands, options, their values and ids at Tab', async () => {
    const env = { ...fleet.clientEnv, PATH: `${BIN}:${process.env['PATH'] ?? ''}` }
    await using shell = startInTerminal(`exec ${start}`, { env, columns: 200 })
    shell.type(`${load}\r`)
    // The line is turned into an echo of itself: \u0001 goes to its start.
    const completed = async (typed: string, line: string) => {
      shell.type(`${typed}\t\u0001echo got \r`)
      await shell.sees(new RegExp(`(^|\\n|\\r)got ${line.replaceAll(/[.$]/g, '\\$&')} ?[\\r\\n]`))
    }
    shell.type('echo loa""ded\r')
    await shell.sees(/loaded/)
    await completed('claude-fleet enq', 'claude-fleet enqueue')
    await completed('claude-fleet jobs --sta', 'claude-fleet jobs --state')
    await completed('claude-fleet jobs --state fai', 'claude-fleet jobs --state failed')
    await completed('claude-fleet jobs --state=canc', 'claude-fleet jobs --state=cancelled')
    await completed('claude-fleet workers dr', 'claude-fleet workers drain')
    await completed('claude-fleet get j_', `claude-fleet get ${id}`)
    shell.type('exit\r')
    expect((await shell.ended).code).toBe(0)
  })

  test.runIf(!isThere || !HAS_TERMINAL)(`was not tried: this system has no ${name}, or no program "script"`, () => {
    expect(isThere && HAS_TERMINAL).toBeFalsy()
  })
})
