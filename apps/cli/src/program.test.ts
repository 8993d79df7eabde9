import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram, runProgram } from './program.js'
import type { Terminal } from './terminal.js'

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'command-line.md'), 'utf8')

/** A terminal that keeps what it is told. */
function fakeTerminal(env: Terminal['env'] = {}) {
  const said = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof said) =>
    ({ isTTY: false, write: (text: string) => (said[name] += text) !== '' }) as unknown as NodeJS.WriteStream
  const terminal: Terminal = {
    env,
    home: '/nowhere',
    stdin: { isTTY: true } as unknown as NodeJS.ReadStream,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    readFile: () => '',
    script: '',
    nodePath: '',
    onSignal: () => ({ [Symbol.dispose]: () => undefined }),
    parent: undefined,
    exit: (code) => {
      throw new Error(`exit ${code}`)
    },
  }
  return { terminal, said }
}

const program = createProgram(fakeTerminal().terminal, { json: false, done: () => {} })
const commands = (of: Command): Command[] => [of, ...of.commands.flatMap(commands)]
const known = commands(program)
  .slice(1)
  .filter((command) => !command.name().startsWith('__'))
  .map((command): [string, Command] => [nameOf(command), command])

function nameOf(command: Command): string {
  const { parent } = command
  return parent === null || parent === program ? command.name() : `${nameOf(parent)} ${command.name()}`
}

test.each(known)(
  '%s has --json, examples in its help, and each of its options on the page of the command line',
  async (name, command) => {
    const { terminal, said } = fakeTerminal()
    expect(await runProgram([...name.split(' '), '--help'], terminal)).toBe(0)
    expect(said.stdout).toMatch(/\nExamples:\n {2}\S/)
    expect(said.stderr).toBe('')
    expect(command.options.map(({ long }) => long)).toContain('--json')
    const chapter = PAGE.split('\n').find(
      (line) =>
        line.startsWith('## ') &&
        line
          .slice(3)
          .split(', ')
          .includes(name.split(' ')[0] ?? ''),
    )
    expect(chapter, `docs/command-line.md has no chapter for ${name}`).toBeDefined()
    for (const { long } of command.options) expect(PAGE).toContain(long)
  },
)

test('without a command the help is shown, and the exit code is that of bad usage', async () => {
  const { terminal, said } = fakeTerminal()
  expect(await runProgram([], terminal)).toBe(2)
  expect(said.stderr).toMatch(/^Usage: claude-fleet/)
})

test('behind -- a prompt may be --json, and does not change how errors are told', async () => {
  const { terminal, said } = fakeTerminal()
  expect(await runProgram(['run', '--', '--json'], terminal)).toBe(78)
  expect(said.stderr).toMatch(/^claude-fleet: FLEET_URL: is not set/)
})

const REDIS_ONLY = { REDIS_URL: 'redis://127.0.0.1:65535' }

test.each<[string, string[], Terminal['env'], number, string]>([
  ['a missing argument', ['get'], {}, 2, 'USAGE'],
  ['a missing command', ['nonsense'], {}, 2, 'USAGE'],
  ['a value that is no choice', ['jobs', '--state', 'x'], {}, 2, 'USAGE'],
  ['a value that is no number', ['run', 'p', '--attempts', 'two'], {}, 2, 'USAGE'],
  ['a pair without a name', ['run', 'p', '--metadata', '=x'], {}, 2, 'USAGE'],
  ['one argument too many', ['get', 'a', 'b'], {}, 2, 'USAGE'],
  ['what is no job id', ['get', '../stats'], {}, 2, 'INVALID_REQUEST'],
  ['what is no session id', ['sessions', 'close', 'j_x'], {}, 2, 'INVALID_REQUEST'],
  ['what is no schedule id', ['schedules', 'pause', 'j_x'], {}, 2, 'INVALID_REQUEST'],
  ['no setting', ['jobs'], {}, 78, 'SETTINGS'],
  ['an address that is none', ['jobs'], { FLEET_URL: 'nowhere' }, 78, 'SETTINGS'],
  ['an address with a password', ['jobs'], { FLEET_URL: 'http://me:hunter2@127.0.0.1:9' }, 78, 'SETTINGS'],
  ['workers without the API', ['workers'], REDIS_ONLY, 78, 'SETTINGS'],
  ['figures without the API', ['stats'], REDIS_ONLY, 78, 'SETTINGS'],
  ['webhooks without the API', ['webhooks'], REDIS_ONLY, 78, 'SETTINGS'],
  ['what is no webhook id', ['webhooks', 'get', '../jobs'], REDIS_ONLY, 2, 'INVALID_REQUEST'],
  ['an event that is none', ['webhooks', 'create', 'https://example.com', '--event', 'x'], {}, 2, 'USAGE'],
  ['a drain without the API', ['workers', 'drain', 'w1'], REDIS_ONLY, 78, 'SETTINGS'],
])('%s: one line on stderr, with --json one object, and its exit code', async (_name, args, env, exitCode, code) => {
  const plain = fakeTerminal(env)
  expect(await runProgram(args, plain.terminal)).toBe(exitCode)
  expect(plain.said).toEqual({ stdout: '', stderr: expect.stringMatching(/^claude-fleet: [^\n]+\n$/) as string })
  const json = fakeTerminal(env)
  expect(await runProgram([...args, '--json'], json.terminal)).toBe(exitCode)
  expect(json.said.stdout).toBe('')
  expect(JSON.parse(json.said.stderr)).toMatchObject({ error: { code, retryable: false }, exitCode })
  expect(plain.said.stderr + json.said.stderr).not.toContain('hunter2')
})
