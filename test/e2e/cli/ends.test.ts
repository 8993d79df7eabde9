import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../../support/fleet.js'
import { baseEnv, CLAUDE_FLEET, runNode, startNode } from '../../support/service.js'
import { startTcpProxy } from '../../support/tcp-proxy.js'
import { quoted } from '../../support/terminal.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  // An account by token is what usage limits are seen with.
  await fleet.worker('w1', { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-simulated' })
})
afterAll(() => fleet[Symbol.asyncDispose]())

const cli = (args: string[], env: Record<string, string> = {}, stdin?: string) =>
  runNode([CLAUDE_FLEET, ...args], { env: { ...fleet.clientEnv, ...env }, ...(stdin === undefined ? {} : { stdin }) })
const shell = (line: string) => {
  const child = spawn('bash', ['-c', line], { env: { ...baseEnv(), ...fleet.clientEnv } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
  return once(child, 'close').then(() => output)
}
const CLI = [process.execPath, CLAUDE_FLEET].map(quoted).join(' ')

test('a parked job is left with 75; --wait stays; its stream is told to the end when it has gone on since', async () => {
  const parked = await cli(['run', '[[usage-limit-once:2]][[text:late but there]]'])
  expect(parked).toMatchObject({ code: 75, stdout: '' })
  const [, id = ''] = /claude-fleet tail --wait (j_\w+) waits/.exec(parked.stderr) ?? []
  expect(parked.stderr).toMatch(/^parked until \S+Z \(USAGE_LIMIT: .*\)\n/)
  const waiting = await cli(['tail', '--wait', id])
  expect(waiting).toMatchObject({ code: 0, stdout: 'late but there\n' })
  expect(await cli(['tail', id])).toMatchObject({ code: 0, stdout: 'late but there\n' })
  const far = await cli(['run', '--json', '[[usage-limit:3600]] far'])
  expect(far.code).toBe(75)
  const event = JSON.parse(far.stdout.trim().split('\n').at(-1) ?? '') as { type: string; jobId: string }
  expect(event.type).toBe('parked')
  expect(await cli(['tail', event.jobId])).toMatchObject({ code: 75 })
  expect(await cli(['cancel', '--wait', event.jobId])).toMatchObject({ code: 0, stdout: `${event.jobId} cancelled\n` })
  expect(await cli(['tail', event.jobId])).toMatchObject({ code: 1 })
  // That account is parked for an hour. With another one the credential is open, for this test and those below.
  await fleet.worker('w2', { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-another' })
  expect(await cli(['run', '[[text:on another account]]'])).toMatchObject({ code: 0, stdout: 'on another account\n' })
})

test('a reader that goes away ends it quietly, and cancels nothing', async () => {
  const output = await shell(
    `${CLI} run --json '[[slow:20,30]][[bytes:400]] for head' | head -1 | cut -c1-60; echo "\${PIPESTATUS[0]}"`,
  )
  const [event = '', code, ...more] = output.split('\n')
  const [, id = ''] = /"jobId":"(j_\w+)"/.exec(event) ?? []
  expect({ code, more }).toEqual({ code: '0', more: [''] })
  expect(await fleet.http.job(id).result()).toMatchObject({ numTurns: 1 })
})

test('cancel asks for every id, waits for none by itself, and says which it could not', async () => {
  const ids = await Promise.all(
    [1, 2].map(async (n) => (await cli(['enqueue', '--delay-ms', '60000', `${n}`])).stdout.trim()),
  )
  const nobody = `j_${'a'.repeat(26)}`
  const { stdout, stderr, code } = await cli(['cancel', ids[0] ?? '', nobody, ids[1] ?? ''])
  expect(code).toBe(1)
  expect(stdout).toBe(ids.map((id) => `${id} cancelled\n`).join(''))
  expect(stderr).toBe(`claude-fleet: ${nobody}: NOT_FOUND: there is no such job\n`)
  const again = await cli(['cancel', '--json', ids[0] ?? '', nobody])
  expect(JSON.parse(again.stdout)).toMatchObject({
    items: [
      { id: ids[0], outcome: 'ended', state: 'cancelled' },
      { id: nobody, outcome: 'error', error: { code: 'NOT_FOUND' } },
    ],
  })
  expect(again.code).toBe(1)
})

test.each<[string, string[], Record<string, string>, number, string]>([
  ['an unknown option', ['run', 'p', '--metdata', 'k=v'], {}, 2, 'USAGE'],
  ['a field that cannot be', ['enqueue', 'p', '--attempts', '0'], {}, 2, 'INVALID_REQUEST'],
  ['a mode that is not allowed', ['enqueue', 'p', '--permission-mode', 'bypassPermissions'], {}, 2, 'FORBIDDEN'],
  ['a job that is not there', ['get', `j_${'a'.repeat(26)}`], {}, 1, 'NOT_FOUND'],
  ['a job that has not ended', ['retry', 'WAITING'], {}, 1, 'CONFLICT'],
  ['nobody at the address', ['jobs'], { FLEET_URL: 'http://127.0.0.1:65535' }, 69, 'UNAVAILABLE'],
  ['no fleet at the address', ['jobs'], { FLEET_URL: 'MODEL' }, 69, 'NOT_FOUND'],
  [
    'nobody at the Redis',
    ['jobs'],
    { FLEET_URL: '', FLEET_API_KEY: '', REDIS_URL: 'redis://127.0.0.1:1' },
    69,
    'UNAVAILABLE',
  ],
  ['no setting', ['jobs'], { FLEET_URL: '', FLEET_API_KEY: '' }, 78, 'SETTINGS'],
  ['a key that is none', ['jobs'], { FLEET_API_KEY: 'wrong' }, 78, 'UNAUTHENTICATED'],
])('%s: one line on stderr, with --json one object, and its exit code', async (_name, args, env, code, errorCode) => {
  const address = env['FLEET_URL'] === 'MODEL' ? { ...env, FLEET_URL: fleet.model.url } : env
  const id = args.includes('WAITING') ? (await fleet.http.enqueue({ prompt: 'p', delayMs: 60_000 })).id : ''
  const words = args.map((word) => (word === 'WAITING' ? id : word))
  const [plain, json] = await Promise.all([cli(words, address), cli([...words, '--json'], address)])
  expect(plain).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^claude-fleet: [^\n]+\n$/) as string })
  expect(json).toMatchObject({ code, stdout: '' })
  const told = JSON.parse(json.stderr) as { error: { message: string } }
  expect(told).toMatchObject({ error: { code: errorCode, retryable: errorCode === 'UNAVAILABLE' }, exitCode: code })
  expect(told.error.message).not.toBe('')
})

test('a prompt is all of stdin; nothing, what is no text and what is too long are bad usage', async () => {
  expect(await cli(['run', '-'], {}, 'two\nlines')).toMatchObject({ code: 0, stdout: 'Echo: two\nlines\n' })
  expect(await cli(['run', '--', '--version'])).toMatchObject({ code: 0, stdout: 'Echo: --version\n' })
  const bad = await Promise.all([
    cli(['run', '-'], {}, ''),
    cli(['run', '-'], {}, 'a'.repeat(1_048_577)),
    shell(`printf '\\377\\376' | ${CLI} run -; echo "$?"`),
    shell(`${CLI} run - <&-; echo "$?"`),
  ])
  expect(bad[0]).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^claude-fleet: INVALID_REQUEST: prompt /) as string,
  })
  expect(bad[1]).toMatchObject({ code: 2, stderr: expect.stringMatching(/over 1048576 bytes/) as string })
  expect(bad[2]).toMatch(/is not UTF-8 text\n2\n$/)
  expect(bad[3]).toMatch(/\n2\n$/)
})

test('every field of a job can be given', async () => {
  const flags = {
    '--system-prompt': 'be brief',
    '--append-system-prompt': 'and kind',
    '--model': 'claude-sonnet-4-5',
    '--max-turns': '4',
    '--disallowed-tools': 'WebFetch',
    '--permission-mode': 'plan',
    '--credential': 'default',
    '--max-budget-usd': '0.5',
    '--timeout-ms': '5000',
    '--idle-timeout-ms': '4000',
    '--attempts': '2',
    '--backoff': 'fixed',
    '--backoff-delay-ms': '10',
    '--backoff-max-delay-ms': '20',
    '--backoff-jitter': '0.1',
    '--priority': '3',
    '--metadata': 'team=a b',
    '--idempotency-key': 'key 1',
  }
  const args = [
    'enqueue',
    'all of it',
    '--allowed-tools',
    'Read',
    '--allowed-tools',
    'Bash(ls:*)',
    ...Object.entries(flags).flat(),
  ]
  const first = await cli(args)
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^j_[a-z2-7]{26}\n$/) as string, stderr: '' })
  expect((await cli(args)).stdout).toBe(first.stdout)
  expect(await cli([...args.slice(0, -1), 'key 1', '--priority', '4'])).toMatchObject({ code: 2 })
  const id = first.stdout.trim()
  expect(await fleet.http.job(id).get()).toMatchObject({ metadata: { team: 'a b' } })
  expect(await cli(['tail', id])).toMatchObject({ code: 0 })
  const [asked] = fleet.model.ledger.turns().filter((entry) => entry.prompt.includes('all of it'))
  expect(asked).toMatchObject({ model: 'claude-sonnet-4-5' })
  expect(asked?.system).toContain('and kind')
})

test('Ctrl-C before the fleet has answered is not forgotten, and a second one leaves', async () => {
  const server = createServer((socket) => socket.resume().on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connected = once(server, 'connection')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await using run = startNode([CLAUDE_FLEET, 'run', 'p'], { env: { FLEET_URL: url } })
  await connected
  run.signal('SIGINT')
  await run.line(/cancelling as soon as the fleet has answered/)
  run.signal('SIGINT')
  expect(await run.ended).toMatchObject({
    code: 130,
    stderr: expect.stringMatching(/left before the fleet answered/) as string,
  })
  await using list = startNode([CLAUDE_FLEET, 'jobs'], { env: { FLEET_URL: url } })
  await once(server, 'connection')
  list.signal('SIGINT')
  expect(await list.ended).toMatchObject({ code: 130, stdout: '', stderr: '' })
  server.close()
})

test('a line that breaks is told of and made again, and no event is missing', async () => {
  await using proxy = await startTcpProxy({ port: Number(new URL(fleet.url).port) })
  const env = { ...fleet.clientEnv, FLEET_URL: `http://127.0.0.1:${proxy.port}` }
  await using run = startNode([CLAUDE_FLEET, 'run', '--json', '[[slow:20,60]][[bytes:200]] broken'], { env })
  await run.line(/"type":"text"/)
  proxy.reset()
  const { code, stdout, stderr } = await run.ended
  expect(code).toBe(0)
  expect(JSON.parse(stderr)).toEqual({ note: expect.stringMatching(/^UNAVAILABLE: .*; trying again$/) as string })
  const events = stdout
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row) as { seq: number; type: string })
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.at(-1)?.type).toBe('completed')
})
