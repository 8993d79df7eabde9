import { mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installFakeClaude, parseSpendLog } from '@claude-fleet/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode, startNode } from '../support/service.js'
import { HAS_TERMINAL, quoted, startInTerminal } from '../support/terminal.js'

interface Line {
  line: number
  customId?: string
  id?: string
  batch?: string
  state: string
  result?: { text: string }
  error?: { code: string }
  costUsd: number
}

let fleet: TestFleet
let folder: string
let spendLog: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batch-'))
  spendLog = join(folder, 'spend.ndjson')
  await writeFile(spendLog, '')
  fleet = await startFleet()
  // The fake one starts in a tenth of the time, and its log of prompts outlives any kill.
  const CLAUDE_BIN = await installFakeClaude({ folder, log: spendLog })
  await fleet.worker('w1', { CLAUDE_BIN, FLEET_CONCURRENCY: '4' })
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const batch = (name: string, ...more: string[]) => [
  CLAUDE_FLEET,
  'batch',
  join(folder, `${name}.jsonl`),
  '--out',
  join(folder, `${name}.out`),
  ...more,
]
const run = (name: string, more: string[] = [], env: Record<string, string> = {}) =>
  runNode(batch(name, ...more), { env: { ...fleet.clientEnv, ...env } })
const write = (name: string, items: readonly unknown[]) =>
  writeFile(join(folder, `${name}.jsonl`), items.map((item) => `${JSON.stringify(item)}\n`).join(''))

async function output(name: string): Promise<Line[]> {
  const text = await readFile(join(folder, `${name}.out`), 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
    .toSorted((a, b) => a.line - b.line)
}

/** Prompts of this test that a claude was given, as often as it was. */
async function prompted(mark: string): Promise<string[]> {
  const entries = parseSpendLog(await readFile(spendLog, 'utf8'))
  return entries
    .flatMap((entry) => (entry.event === 'prompt' && entry.prompt.includes(mark) ? [entry.prompt] : []))
    .toSorted()
}

/** Resolves when the file has this many lines. */
async function grownTo(path: string, lines: number): Promise<void> {
  const grown = async () => (await readFile(path, 'utf8').catch(() => '')).split('\n').length > lines
  const changes = watch(folder)[Symbol.asyncIterator]()
  for (;;) {
    // Asked for before the look: it begins to watch only then.
    const change = changes.next()
    if (await grown()) break
    await change
  }
  await changes.return?.()
}

/** A way to a port of this machine that can be shut: then connections break, and new ones are refused. */
async function startGate(target: number) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    }
  })
  const open = (port: number) => new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve))
  const shut = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  await open(0)
  const { port } = server.address() as AddressInfo
  return { port, shut, open: () => open(port), [Symbol.asyncDispose]: shut }
}

test('killed at random moments and run again, every line has its one outcome and no prompt ran twice', async () => {
  const prompts = Array.from({ length: 60 }, (_, index) => `[[text:answer ${index}]] killed-${index};`)
  await write(
    'killed',
    prompts.map((prompt, index) => ({ prompt, customId: `c${index}` })),
  )
  const state = join(folder, 'killed.out.state')
  const moments = [0, 1, 2].map((part) => 2 + part * 12 + Math.floor(Math.random() * 12))
  for (const moment of moments) {
    await using cli = startNode(batch('killed', '--concurrency', '6'), { env: fleet.clientEnv })
    await grownTo(state, moment)
    cli.signal('SIGKILL')
    expect((await cli.ended).signal).toBe('SIGKILL')
  }
  // What a kill in the middle of a write leaves.
  await writeFile(join(folder, 'killed.out'), '{"line":1,"sta', { flag: 'a' })
  await writeFile(state, '{"key":"1', { flag: 'a' })
  const last = await run('killed', ['--concurrency', '6', '--json'])
  expect(last, `killed at ${moments.join(', ')}`).toMatchObject({ code: 0 })
  expect(JSON.parse(last.stdout)).toMatchObject({ jobs: 60, completed: 60, failed: 0, left: 0, errors: {} })
  const lines = await output('killed')
  expect(lines.map(({ line, customId, state: end, result }) => [line, customId, end, result?.text])).toEqual(
    prompts.map((_, index) => [index + 1, `c${index}`, 'completed', `answer ${index}`]),
  )
  expect(await prompted('killed-')).toHaveLength(60)
  expect(new Set(await prompted('killed-')).size).toBe(60)

  // As if every answer of the fleet had been lost on its way: the keys alone find the jobs again.
  const entries = (await readFile(state, 'utf8')).split('\n').filter((entry) => !entry.includes('"ids"'))
  await writeFile(state, entries.join('\n'))
  await rm(join(folder, 'killed.out'))
  expect(await run('killed')).toMatchObject({ code: 0 })
  expect((await output('killed')).map(({ id }) => id)).toEqual(lines.map(({ id }) => id))
  expect(await prompted('killed-')).toHaveLength(60)
}, 120_000)

test('counts what failed by code, takes bare prompts, skips empty lines, and does nothing when all is done', async () => {
  const items = ['[[text:plain]] mixed', { prompt: '[[status:400]] mixed', customId: 'bad', attempts: 1 }]
  await write('mixed', items)
  await writeFile(join(folder, 'mixed.jsonl'), '\n"\u2028 mixed of separators"', { flag: 'a' })
  const { code, stdout } = await run('mixed')
  expect(code).toBe(1)
  expect(stdout).toMatch(/^jobs {7}3: 2 completed, 1 failed\nerrors {5}1 INVALID_REQUEST\ncost .*\ntook .*\n$/)
  expect(await output('mixed')).toMatchObject([
    { line: 1, state: 'completed', result: { text: 'plain' } },
    { line: 2, customId: 'bad', state: 'failed', error: { code: 'INVALID_REQUEST' } },
    { line: 4, state: 'completed' },
  ])
  const before = await readFile(join(folder, 'mixed.out'), 'utf8')
  const again = await run('mixed')
  expect(again.stderr).toBe('continues: 3 of 3 had ended\n')
  expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('2 completed, 1 failed') as string })
  expect(await readFile(join(folder, 'mixed.out'), 'utf8')).toBe(before)
})

test('a job that the fleet refuses is told in its line, and the others run', async () => {
  await write('refused', [{ prompt: 'a', permissionMode: 'bypassPermissions' }, '[[text:b]] refused'])
  expect(await run('refused')).toMatchObject({ code: 1 })
  expect(await output('refused')).toMatchObject([
    { line: 1, state: 'refused', error: { code: 'FORBIDDEN' }, costUsd: 0 },
    { line: 2, state: 'completed' },
  ])
})

test('the jobs are a batch of the fleet, each with its customId, and are listed by its id', async () => {
  await write(
    'listed',
    ['a', 'b', 'c'].map((customId) => ({ customId, prompt: `[[text:${customId}]] listed` })),
  )
  expect(await run('listed')).toMatchObject({ code: 0 })
  const lines = await output('listed')
  const [first] = lines
  const { stdout } = await runNode([CLAUDE_FLEET, 'jobs', '--batch', first?.batch ?? '', '--json'], {
    env: fleet.clientEnv,
  })
  const { items } = JSON.parse(stdout) as { items: { id: string; customId: string }[] }
  expect(new Map(items.map(({ id, customId }) => [customId, id]))).toEqual(
    new Map(lines.map(({ id, customId }) => [customId, id])),
  )
  expect(items).toHaveLength(3)
})

test('--cancel ends what was sent, sends nothing more, and the same command without it runs the rest', async () => {
  const prompts = ['1', '2', '3', '4'].map((name) => `[[delay:600000]] cancel-${name}`)
  await write('cancel', [...prompts, '[[text:quick]] cancel-5', '[[text:quick]] cancel-6'])
  await using cli = startNode(batch('cancel', '--concurrency', '4'), { env: fleet.clientEnv })
  await grownTo(join(folder, 'cancel.out.state'), 5)
  cli.signal('SIGKILL')
  await cli.ended
  const cancelled = await run('cancel', ['--cancel', '--json'])
  expect(cancelled.code).toBe(1)
  expect(JSON.parse(cancelled.stdout)).toMatchObject({ jobs: 6, completed: 0, cancelled: 4, left: 2 })
  const rest = await run('cancel', ['--json'])
  expect(JSON.parse(rest.stdout)).toMatchObject({ jobs: 6, completed: 2, cancelled: 4, left: 0 })
  expect((await output('cancel')).map(({ state }) => state)).toEqual([
    ...Array<string>(4).fill('cancelled'),
    'completed',
    'completed',
  ])
})

test('nothing is enqueued of an input with a bad line, and each fault names its line and field', async () => {
  await write('bad', ['fine', { prompt: 'x', attempts: 99 }, { prompt: 'x', promt: 'y' }, 7])
  const { code, stderr } = await run('bad', ['--json'])
  expect(code).toBe(2)
  const { error } = JSON.parse(stderr) as { error: { details: { errors: { path: string }[] } } }
  expect(error.details.errors.map(({ path }) => path)).toEqual([
    'bad.jsonl, line 2: attempts',
    'bad.jsonl, line 3: promt',
    'bad.jsonl, line 4',
  ])
  await expect(readFile(join(folder, 'bad.out.state'))).rejects.toThrow('ENOENT')
})

test('a batch is continued only with its own input, at its own fleet, by one process', async () => {
  await write('own', ['[[text:1]] own'])
  expect(await run('own')).toMatchObject({ code: 0 })
  const elsewhere = { FLEET_URL: 'http://127.0.0.1:9' }
  expect(await run('own', [], elsewhere)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('began at') as string,
  })
  await writeFile(join(folder, 'own.out.lock'), `${process.pid}\n`)
  expect(await run('own')).toMatchObject({ code: 2, stderr: expect.stringContaining('works on this batch') as string })
  await rm(join(folder, 'own.out.lock'))
  await write('own', ['[[text:2]] own'])
  expect(await run('own')).toMatchObject({ code: 2, stderr: expect.stringContaining('another input') as string })
  await rm(join(folder, 'own.out.state'))
  expect(await run('own')).toMatchObject({ code: 2, stderr: expect.stringContaining('name another --out') as string })
  expect(await runNode([CLAUDE_FLEET, 'batch', '-', '--out', 'x'], { env: fleet.clientEnv })).toMatchObject({ code: 2 })
})

test('what was sent over a day ago without an answer is not sent again unasked', async () => {
  await write('old', ['[[text:1]] old'])
  expect(await run('old')).toMatchObject({ code: 0 })
  const state = join(folder, 'old.out.state')
  const [header] = (await readFile(state, 'utf8')).split('\n')
  await writeFile(state, `${header}\n{"key":"1-1","lines":[1],"sentAt":${Date.now() - 86_400_000}}\n`)
  await rm(join(folder, 'old.out'))
  expect(await run('old')).toMatchObject({ code: 2, stderr: expect.stringContaining('--resend') as string })
  expect(await run('old', ['--resend'])).toMatchObject({ code: 0 })
})

test('goes on when the fleet was away, and leaves with 69 one that never was there', async () => {
  await using gate = await startGate(Number(new URL(fleet.url).port))
  const env = { ...fleet.clientEnv, FLEET_URL: `http://127.0.0.1:${gate.port}` }
  await write(
    'away',
    Array.from({ length: 8 }, (_, index) => `[[text:${index}]] away-${index};`),
  )
  await using cli = startNode(batch('away', '--concurrency', '2'), { env })
  await grownTo(join(folder, 'away.out'), 2)
  await gate.shut()
  await cli.line(/cannot be reached.*; trying again/)
  await gate.open()
  expect(await cli.ended).toMatchObject({ code: 0 })
  expect(await output('away')).toHaveLength(8)
  expect(new Set(await prompted('away-')).size).toBe((await prompted('away-')).length)
  await write('nobody', ['x'])
  expect(await run('nobody', [], { FLEET_URL: 'http://127.0.0.1:9' })).toMatchObject({ code: 69 })
})

test('straight to Redis it does the same', async () => {
  await write('redis', ['[[text:1]] redis-1', '[[text:2]] redis-2'])
  const env = { REDIS_URL: fleet.redisUrl }
  expect(await runNode(batch('redis'), { env })).toMatchObject({ code: 0 })
  expect(await output('redis')).toHaveLength(2)
  expect(await readFile(join(folder, 'redis.out.state'), 'utf8')).not.toContain(new URL(fleet.redisUrl).password || '@')
})

test('in a terminal there is a bar; Ctrl-C leaves with 130, and what was sent goes on', async (context) => {
  context.skip(!HAS_TERMINAL, 'this machine has no util-linux script')
  await write('bar', ['[[slow:13,400]][[text:a slow answer]] bar-1', '[[text:quick]] bar-2'])
  // In place of its shell, which Ctrl-C would end too, and the terminal with it.
  const command = `exec ${[process.execPath, ...batch('bar')].map(quoted).join(' ')}`
  await using cli = startInTerminal(command, { env: fleet.clientEnv, columns: 120 })
  await cli.sees(/\[##########-{10}\] 1\/2, 50%, [^\r]*to go/)
  cli.type('\u0003')
  const { code, output: said } = await cli.ended
  expect(code).toBe(130)
  expect(said).toMatch(/left with 1 of 2 to come; what was sent goes on, and the same command continues/)
  expect(await run('bar')).toMatchObject({ code: 0, stderr: 'continues: 1 of 2 had ended\n' })
  expect(await prompted('bar-')).toHaveLength(2)
})
