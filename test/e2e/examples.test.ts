import { execFile } from 'node:child_process'
import { copyFile, readFile, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'

const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const EXAMPLES = join(DOCS, 'examples')
/** Where test support unpacks a Redis when none is installed; its command line is in the same package. */
const UNPACKED = join(tmpdir(), 'redis-server', `redis-debian-12-${process.arch}`)
const PATH = [process.env['PATH'], join(UNPACKED, 'usr', 'bin')].join(delimiter)

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  await fleet.worker('w1')
})
afterAll(() => fleet[Symbol.asyncDispose]())

/** Runs a program with the environment of a client and nothing else. */
async function run(command: string, args: string[], env: Record<string, string> = {}) {
  const { stdout } = await promisify(execFile)(command, args, {
    env: { PATH, LD_LIBRARY_PATH: join(UNPACKED, 'usr', 'lib', 'x86_64-linux-gnu'), ...fleet.clientEnv, ...env },
    timeout: 60_000,
  })
  return stdout
}

/** Skips the test, which the report shows, where this machine lacks a program that the example is written for. */
async function need(context: TestContext, ...programs: string[]) {
  for (const program of programs) {
    const found = await run('sh', ['-c', `command -v ${program} && ${program} --version`]).catch(() => '')
    context.skip(found === '', `this machine has no ${program}`)
  }
}

test.each(['enqueue.mjs', 'enqueue.sh', 'enqueue.py', 'subscribe.sh', 'schedules.mjs', 'schedules.sh'])(
  'the page shows %s as it is',
  async (name) => {
    const page = await readFile(join(DOCS, `${name.split('.')[0]}.md`), 'utf8')
    expect(page).toContain(`\n${await readFile(join(EXAMPLES, name), 'utf8')}\`\`\``)
  },
)

test('Node: enqueue, follow, result, cancel', async () => {
  expect(await runModule('enqueue.mjs')).toMatch(/^Echo: Say hello\n1 turn\(s\), [\d.e-]+ USD\n$/)
  const { items } = (await (await api('/v1/jobs?state=cancelled')).json()) as { items: unknown[] }
  expect(items).toHaveLength(1)
})

test('Node: a schedule, from its creation to its end', async () => {
  expect(await runModule('schedules.mjs')).toBe(
    'next: 07:30:00\nEcho: Summarise the issues of the last day\nmanual enqueued\n',
  )
})

test('curl: a schedule, from its creation to its end', async (context) => {
  await need(context, 'curl', 'jq')
  expect(await run('sh', [join(EXAMPLES, 'schedules.sh')])).toBe(
    [
      '{"enabled":true,"overlap":"replace","timeZone":"UTC","due":true}',
      'Echo: Say hello',
      '{"trigger":"manual","outcome":"enqueued"}',
      '{"enabled":false,"nextRunAt":null}',
      '',
    ].join('\n'),
  )
  expect(await (await api('/v1/schedules')).json()).toEqual({ items: [] })
})

test('curl: enqueue, follow, result, cancel', async (context) => {
  await need(context, 'curl', 'jq')
  const said = await run('sh', [join(EXAMPLES, 'enqueue.sh')])
  expect(said.replaceAll(/\s+/g, ' ')).toBe(
    'Echo: Say hello{ "state": "completed", "text": "Echo: Say hello", "error": null } completed ',
  )
})

test('Python: enqueue, follow, result, cancel', async (context) => {
  await need(context, 'python3')
  expect(await run('python3', [join(EXAMPLES, 'enqueue.py')])).toBe('Echo: Say hello\n1 turn(s)\ncompleted\n')
})

test('redis-cli: one that joins late and one that is there see every event once', async (context) => {
  await need(context, 'redis-cli', 'jq')
  const job = await fleet.http.enqueue({ prompt: '[[slow:20,40]][[text:a long answer in many small pieces]]' })
  // redis-cli takes a password in an address only with the name of its user.
  const REDIS_URL = fleet.redisUrl.replace('//:', '//default:')
  const subscribe = () => run('sh', [join(EXAMPLES, 'subscribe.sh'), job.id], { REDIS_URL })
  const there = await subscribe()
  const late = await subscribe()
  const events = there
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number; type: string })
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.at(-1)?.type).toBe('completed')
  expect(late).toBe(there)
})

/** Runs a copy beside the packages, where Node finds the client as a service that has installed it does. */
async function runModule(name: string): Promise<string> {
  const copy = join(import.meta.dirname, '..', `example-${process.pid}-${name}`)
  await copyFile(join(EXAMPLES, name), copy)
  try {
    return await run(process.execPath, [copy])
  } finally {
    await rm(copy)
  }
}

function api(path: string): Promise<Response> {
  return fetch(`${fleet.url}${path}`, { headers: { authorization: `Bearer ${fleet.key}` } })
}
