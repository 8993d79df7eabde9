import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { startSimulator, type Simulator } from './simulator.js'

const CLAUDE = join(import.meta.dirname, '../../../node_modules/@anthropic-ai/claude-code/bin/claude.exe')

interface Line {
  type: string
  event?: { delta?: { text?: string } }
  rate_limit_info?: object
  message?: { content: object[] }
  result?: string
}

test('the real claude talks and uses tools, and the ledger has every request', async () => {
  const model = await start()
  const tools = JSON.stringify([
    { name: 'Bash', input: { command: 'echo one; [[ -f x ]] || echo none' } },
    { name: 'Bash', input: { command: 'echo two' } },
  ])
  const turns = await talk(model, ['hello', `[[tools:${tools}]][[tool:Bash:{"command":"echo three"}]][[text:done]]`])
  expect(turns.map(({ result }) => result)).toMatchObject([
    { subtype: 'success', is_error: false, result: 'Echo: hello', usage: { input_tokens: 10, output_tokens: 20 } },
    { subtype: 'success', is_error: false, result: 'done' },
  ])
  const outputs = turns[1]?.lines.flatMap(({ type, message }) => (type === 'user' ? (message?.content ?? []) : []))
  const texts = outputs?.map((block) => (block as { content?: unknown }).content)
  // The two that run at once end in any order.
  expect([new Set(texts?.slice(0, 2)), texts?.slice(2)]).toEqual([new Set(['one\nnone', 'two']), ['three']])
  expect(model.ledger.entries().map(({ kind, status, aborted }) => [kind, status, aborted])).toEqual(
    Array.from({ length: 4 }, () => ['turn', 200, false]),
  )
  expect(model.ledger.turns()[0]).toMatchObject({ key: 'fake', auth: 'x-api-key', userTexts: ['hello'], stream: true })
})

test('structured output, refusals and length limits reach claude as the API would send them', async () => {
  const model = await start()
  const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }
  const prompts = ['[[structured:{"a":"v"}]]', '[[refusal]]', '[[max-tokens]][[text:part]]', '[[no-credit]]']
  const [structured, ...failed] = await talk(model, prompts, { args: [`--json-schema=${JSON.stringify(schema)}`] })
  expect(structured?.result).toMatchObject({ is_error: false, structured_output: { a: 'v' } })
  expect(failed.map(({ result }) => result)).toMatchObject([
    { is_error: true, stop_reason: 'refusal' },
    { is_error: true, result: expect.stringContaining('output token maximum') as string },
    { is_error: true, api_error_status: 400, result: 'Credit balance is too low' },
  ])
})

test('claude retries what breaks: an error, a cut, a reset, an error in the stream', async () => {
  const model = await start()
  const prompts = ['[[status-once:529]] a', '[[cut-once:2]] b', '[[reset-once]] c', '[[sse-error-once:1]] d']
  const turns = await talk(model, prompts)
  expect(turns.map(({ result }) => result['result'])).toEqual(['Echo: a', 'Echo: b', 'Echo: c', 'Echo: d'])
  expect(model.ledger.turns().map((entry) => [entry.fault, entry.stream])).toEqual([
    ['status', true],
    [undefined, true],
    ['cut', true],
    [undefined, true],
    ['reset', true],
    [undefined, true],
    ['sse-error', true],
    // Claude asks again without streaming.
    [undefined, false],
  ])
})

test('a usage limit is told with its reset to a claude that signed in by token', async () => {
  const model = await start()
  const env = { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-simulated' }
  const [turn] = await talk(model, ['[[usage-limit:3600]]'], { env })
  expect(turn?.result).toMatchObject({ is_error: true, api_error_status: 429 })
  const limit = turn?.lines.find(({ type }) => type === 'rate_limit_event')?.rate_limit_info
  expect(limit).toMatchObject({ status: 'rejected', rateLimitType: 'five_hour' })
  const { resetsAt } = limit as { resetsAt: number }
  expect(Math.abs(resetsAt - (Date.now() / 1_000 + 3_600))).toBeLessThan(60)
  expect(model.ledger.turns()).toMatchObject([{ key: 'sk-ant-oat01-simulated', auth: 'bearer', status: 429 }])
})

async function start(): Promise<Simulator> {
  const model = await startSimulator()
  onTestFinished(() => model.close())
  return model
}

interface Turn {
  lines: Line[]
  result: Record<string, unknown>
}

/** Says the prompts to one claude, each after the result of the one before. Rejects when it ends too early. */
async function talk(
  model: Simulator,
  prompts: string[],
  options: { args?: string[]; env?: Record<string, string> } = {},
): Promise<Turn[]> {
  const home = await mkdtemp(join(tmpdir(), 'cf-sim-'))
  onTestFinished(() => rm(home, { recursive: true, force: true, maxRetries: 3 }))
  const claude = spawn(CLAUDE, [...FLAGS, ...(options.args ?? [])], {
    cwd: home,
    env: {
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      TMPDIR: home,
      ANTHROPIC_API_KEY: 'fake',
      ANTHROPIC_BASE_URL: model.url,
      ...CLOSED,
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => claude.once('close', () => resolve()))
  onTestFinished(async () => {
    claude.kill('SIGKILL')
    await ended
  })
  const turns: Turn[] = []
  let lines: Line[] = []
  const say = () => {
    const text = prompts[turns.length]
    if (text === undefined) claude.stdin.end()
    else claude.stdin.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content: text } })}\n`)
  }
  say()
  for await (const text of createInterface({ input: claude.stdout })) {
    const line = JSON.parse(text) as Line
    lines.push(line)
    if (line.type !== 'result') continue
    turns.push({ lines, result: line as unknown as Record<string, unknown> })
    lines = []
    say()
  }
  await ended
  if (turns.length < prompts.length) throw new Error(`claude ended after ${turns.length} turns`)
  return turns
}

const FLAGS = [
  '-p',
  '--input-format=stream-json',
  '--output-format=stream-json',
  '--verbose',
  '--include-partial-messages',
  '--setting-sources=',
  '--strict-mcp-config',
  '--no-session-persistence',
  '--tools=Bash',
  '--allowed-tools=Bash',
]
const CLOSED = {
  CLAUDE_CODE_MAX_RETRIES: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_AUTOUPDATER: '1',
}
