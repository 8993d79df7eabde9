import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../../support/fleet.js'
import { CLAUDE_FLEET, runNode, type RunningProcess } from '../../support/service.js'
import { HAS_TERMINAL, quoted, screen, startInTerminal } from '../../support/terminal.js'

let fleet: TestFleet
let worker: RunningProcess
beforeAll(async () => {
  fleet = await startFleet()
  worker = await fleet.worker('w1')
})
afterAll(() => fleet[Symbol.asyncDispose]())

const line = (...args: string[]) =>
  ['exec', process.execPath, CLAUDE_FLEET, ...args]
    .map(quoted)
    .join(' ')
    .replace(/^'exec'/, 'exec')
const inTerminal = (args: string[], options: { env?: Record<string, string>; columns?: number } = {}) =>
  startInTerminal(line(...args), { ...options, env: { ...fleet.clientEnv, ...options.env } })

const TOOL = '[[slow:3,30]][[tool:Bash:{"command":"sleep 0.3"}]]'
const HOSTILE =
  'red \u001b[31mtext\u001b[0m \u001b]52;c;c3RvbGVu\u0007\u001b]0;title\u0007bell\u0007 up\u001b[2A \u009b1J\rgone \u202eevil'

describe.runIf(HAS_TERMINAL)('in a terminal', () => {
  test('run keeps a status line while it waits, and leaves the answer and one line of figures', async () => {
    const { code, output } = await inTerminal(['run', `${TOOL}[[text:the answer]]`, '--allowed-tools', 'Bash']).ended
    expect(code).toBe(0)
    expect(output).toMatch(/j_[a-z2-7]{26}, queued/)
    expect(output).toContain('w1, waiting for the model')
    expect(output).toContain('w1, using Bash')
    expect(screen(output)).toEqual([
      'the answer',
      expect.stringMatching(/^.{0,5}[\d.]+ m?s on w1, (?:cold|spare|reused) start, \d+ tokens in, \d+ out, \$[\d.]+/),
      '',
    ])
  })

  test('what a model says cannot write to the clipboard, move the cursor or turn the text round', async () => {
    const { output } = await inTerminal(['run', `[[text:${HOSTILE}]]`], { env: { NO_COLOR: '1' } }).ended
    const [answer] = screen(output)
    expect(answer).toBe('red text bell up 1Jgone evil')
    expect(output.replaceAll('\r\u001b[K', '').replaceAll('\r\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
    const { items } = await fleet.http.jobs({ limit: 1 })
    for (const args of [['jobs'], ['get', items[0]?.id ?? '']]) {
      const shown = await inTerminal(args, { env: { NO_COLOR: '1' } }).ended
      expect(shown.output.replaceAll('\r\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
    }
  })

  test('Ctrl-C cancels the job', async () => {
    await using run = inTerminal(['run', '[[bytes:600]][[slow:600,100]]'])
    await run.sees(/xx|\w\w/)
    await run.sees(/waiting for the model[^]*\w/)
    run.type('\u0003')
    const { code, output } = await run.ended
    expect(code).toBe(130)
    const [, id = ''] = /cancelling (j_\w+)/.exec(output) ?? []
    expect(await fleet.http.job(id).get()).toMatchObject({ state: 'cancelled' })
  })

  test('a second Ctrl-C leaves, and says the id', async () => {
    await using run = inTerminal(['run', '[[hang]] long'])
    await run.sees(/w1, waiting for the model/)
    // Nobody answers the first one as long as the worker stands still.
    worker.signal('SIGSTOP')
    try {
      run.type('\u0003')
      await run.sees(/once more leaves it running/)
      run.type('\u0003')
      const { code, output } = await run.ended
      expect(code).toBe(130)
      expect(output).toMatch(/left (j_\w+); claude-fleet tail \1 goes on/)
    } finally {
      worker.signal('SIGCONT')
    }
  })

  test.each([
    ['narrow', { columns: 20 }],
    ['of no width', { columns: 0 }],
  ])('a terminal that is %s gets no row that it cannot clear', async (_name, { columns }) => {
    const { code, output } = await inTerminal(['run', `${TOOL}[[text:fits]]`, '--allowed-tools', 'Bash'], { columns })
      .ended
    expect(code).toBe(0)
    const rows = output.split('\r\u001b[K').filter((row) => /waiting|using/.test(row))
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row.replaceAll(/\u001b\[\d+m/g, '').length).toBeLessThan(columns || 80)
    expect(screen(output)[0]).toBe('fits')
    const table = await inTerminal(['jobs'], { columns, env: { NO_COLOR: '1' } }).ended
    if (columns > 0) expect(table.output).toMatch(/^ID\s/)
    expect(table.code).toBe(0)
  })

  test('a table fits the terminal', async () => {
    for (const columns of [60, 100]) {
      const { output } = await inTerminal(['jobs'], { columns, env: { NO_COLOR: '1' } }).ended
      const rows = output.trimEnd().split('\r\n')
      expect(rows.length).toBeGreaterThan(2)
      expect(Math.max(...rows.filter((row) => !row.startsWith('more:')).map((row) => row.length))).toBeLessThanOrEqual(
        columns,
      )
    }
  })

  test('NO_COLOR, TERM=dumb and a locale without UTF-8 get plain ASCII; colours are asked for by FORCE_COLOR', async () => {
    const run = (env: Record<string, string>) => inTerminal(['run', '[[text:plain]]'], { env }).ended
    const coloured = /\u001b\[\d+m/
    expect((await run({})).output).toMatch(coloured)
    expect((await run({ NO_COLOR: '1' })).output).not.toMatch(coloured)
    const dumb = await run({ TERM: 'dumb', LC_ALL: 'C' })
    expect(dumb.output).toMatch(/^[\r\n -~]*$/)
    const piped = (env: Record<string, string>) =>
      runNode([CLAUDE_FLEET, 'jobs'], { env: { ...fleet.clientEnv, ...env } }).then(({ stdout }) => stdout)
    expect(await piped({})).not.toContain('\u001b')
    expect(await piped({ FORCE_COLOR: '1' })).toMatch(coloured)
    expect(await piped({ FORCE_COLOR: '0' })).not.toContain('\u001b')
  })

  test('- with a terminal as stdin is bad usage, not a wait for ever', async () => {
    const { code, output } = await inTerminal(['run', '-']).ended
    expect({ code, output }).toEqual({
      code: 2,
      output: expect.stringContaining('stdin, which is a terminal') as string,
    })
  })
})

test.runIf(!HAS_TERMINAL)('without the program "script" (Debian: bsdutils) nothing was tried in a terminal', () => {
  expect(HAS_TERMINAL).toBeFalsy()
})

test('in a pipe the answer is as the model gave it, with nothing beside it', async () => {
  const { stdout, stderr, code } = await runNode([CLAUDE_FLEET, 'run', `[[text:${HOSTILE}]]`], { env: fleet.clientEnv })
  expect({ stdout, stderr, code }).toEqual({ stdout: `${HOSTILE}\n`, stderr: '', code: 0 })
})
