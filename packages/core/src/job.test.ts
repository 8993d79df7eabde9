import { expect, test } from 'vitest'
import { isPromptTooLong, jobSpecSchema } from './job.js'
import { LIMITS } from './limits.js'

const pathsOf = (job: unknown) => {
  const parsed = jobSpecSchema.safeParse(job)
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.'))
}

test('a prompt is enough; every default is filled in', () => {
  expect(jobSpecSchema.parse({ prompt: 'hello' })).toEqual({
    prompt: 'hello',
    permissionMode: 'dontAsk',
    credential: 'default',
    timeoutMs: 1_800_000,
    idleTimeoutMs: 600_000,
    attempts: 3,
    backoff: { type: 'exponential', delayMs: 1_000, maxDelayMs: 60_000, jitter: 0.5 },
    priority: 0,
    delayMs: 0,
    metadata: {},
  })
})

test('what is parsed parses to itself, as it travels through Redis', () => {
  const once = jobSpecSchema.parse({ prompt: 'a', backoff: { type: 'fixed' }, metadata: { a: 'b' }, env: { A: '' } })
  expect(jobSpecSchema.parse(JSON.parse(JSON.stringify(once)))).toEqual(once)
})

test('the prompt is measured in bytes of UTF-8', () => {
  const full = '€'.repeat(Math.floor(LIMITS.promptBytes / 3)) + 'a'
  expect(pathsOf({ prompt: full })).toEqual([])
  expect(isPromptTooLong(full)).toBe(false)
  expect(pathsOf({ prompt: `${full}a` })).toEqual(['prompt'])
  expect(isPromptTooLong(`${full}a`)).toBe(true)
})

const LIMITED: [field: string, good: unknown[], bad: unknown[]][] = [
  ['prompt', ['x', ' x', '-p', '/clear'], ['', ' \n', 'a\0b', 1, null, undefined]],
  ['session', [`s_${'a'.repeat(26)}`], ['s_1', `j_${'a'.repeat(26)}`, `S_${'a'.repeat(26)}`]],
  ['cwd', ['a', 'a/b', '.', 'a..b'], ['', '/etc', '..', 'a/../../b', '~', '~/x', 'a\\b', 'a\0']],
  ['model', ['sonnet', 'claude-x-4[1m]', 'us.anthropic/x:0'], ['', '-x', '--help', 'a b']],
  ['systemPrompt', ['', 'x'], ['\0', 'x'.repeat(LIMITS.systemPromptBytes + 1)]],
  ['allowedTools', [[], ['Read', 'Bash(git log:*)']], [[''], ['-p'], ['--x'], [' Read'], ['a\nb'], 'Read']],
  ['disallowedTools', [['Bash']], [Array(LIMITS.toolRules + 1).fill('Read'), Array(200).fill('a'.repeat(999))]],
  ['permissionMode', ['plan', 'bypassPermissions'], ['', 'yolo']],
  ['env', [{}, { A_1: 'x' }], [{ '1A': 'x' }, { 'A=B': 'x' }, { A: 'a\0b' }, { A: 1 }]],
  ['credential', ['default', 'Team.1-x_y'], ['', '../x', '-x']],
  ['outputSchema', [{}, { type: 'object' }], [[], 'x', { $defs: JSON.parse('{"__proto__": 1}') as unknown }]],
  ['maxTurns', [1, 1_000], [0, 1_001, 1.5, '1']],
  ['maxBudgetUsd', [0.01, 100_000], [0, -1, 100_001, Infinity, NaN]],
  ['timeoutMs', [1_000, 86_400_000], [999, 86_400_001]],
  ['idleTimeoutMs', [1_000], [0]],
  ['attempts', [1, 10], [0, 11]],
  ['backoff', [{}, { type: 'fixed', delayMs: 0, jitter: 1 }], [{ type: 'linear' }, { jitter: 1.1 }, { delay: 1 }]],
  ['priority', [0, 9], [-1, 10]],
  ['delayMs', [0, 30 * 86_400_000], [-1, 30 * 86_400_000 + 1]],
  ['webhook', [`wh_${'a'.repeat(26)}`], ['https://hooks.example/', `WH_${'a'.repeat(26)}`, `wh_${'a'.repeat(27)}`, '']],
  ['metadata', [{}, { a: '' }], [{ a: 1 }, { a: { b: 'c' } }, { '': 'x' }, { a: 'x'.repeat(70_000) }]],
]

test.each(LIMITED)('%s keeps its limits, and its fault is named', (field, good, bad) => {
  for (const value of good) expect(pathsOf({ prompt: 'x', [field]: value })).toEqual([])
  for (const value of bad) {
    const [path] = pathsOf({ prompt: 'x', [field]: value })
    expect(path?.split('.')[0], `${field} = ${JSON.stringify(value)?.slice(0, 60)}`).toBe(field)
  }
})

test('the table above has every field', () => {
  const known = Object.keys(jobSpecSchema.shape).filter((name) => name !== 'appendSystemPrompt')
  expect(LIMITED.map(([field]) => field).sort()).toEqual(known.sort())
})

test('an unknown field is an error', () => {
  const parsed = jobSpecSchema.safeParse({ prompt: 'x', dangerouslySkipPermissions: true })
  expect(parsed.error?.issues[0]?.message).toContain('dangerouslySkipPermissions')
})
