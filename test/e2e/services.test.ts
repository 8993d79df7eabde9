import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installFakeClaude } from '@claude-fleet/simulator'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { makeFolder, type Folder } from '../support/folder.js'
import { runNode, startNode } from '../support/service.js'

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples')

let fleet: TestFleet
let folder: Folder
beforeAll(async () => {
  folder = await makeFolder()
  fleet = await startFleet()
  const CLAUDE_BIN = await installFakeClaude({ folder: folder.path })
  await fleet.worker('w1', { CLAUDE_BIN, FLEET_CONCURRENCY: '4' })
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  await folder.remove()
})

const run = (name: string, ...args: string[]) => runNode([join(EXAMPLES, name), ...args], { env: fleet.clientEnv })

/** The `id`s and data of a stream of Server-Sent Events, up to its end. */
async function readStream(url: string, lastEventId?: string) {
  const response = await fetch(url, { headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId } })
  const text = await response.text()
  const events = text.split('\n\n').filter((part) => part.startsWith('id: '))
  return {
    status: response.status,
    ids: events.map((event) => Number(/^id: (\d+)/.exec(event)?.[1])),
    types: events.map((event) => (JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '') as { type: string }).type),
    text,
  }
}

test('browser: an Express service enqueues, and hands on the stream, whole and resumed, without its key', async () => {
  await using service = startNode([join(EXAMPLES, 'browser', 'server.mjs')], { env: { ...fleet.clientEnv, PORT: '0' } })
  const [url] = await service.line(/http:\S+/)
  expect(await (await fetch(url)).text()).toContain('new EventSource')
  const body = JSON.stringify({ prompt: '[[text:from the service]] browser' })
  const asked = await fetch(`${url}/questions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  expect(asked.status).toBe(202)
  const { id } = (await asked.json()) as { id: string }
  const whole = await readStream(`${url}/questions/${id}/events`)
  expect(whole.ids).toEqual(whole.ids.map((_, index) => index + 1))
  expect(whole.types[0]).toBe('queued')
  expect(whole.types.at(-1)).toBe('completed')
  expect(whole.text).toContain('from the service')
  expect(whole.text).not.toContain(fleet.key)
  expect((await readStream(`${url}/questions/${id}/events`, '2')).ids).toEqual(whole.ids.slice(2))
  expect((await readStream(`${url}/questions/${id}/events`, String(whole.ids.length))).status).toBe(204)
  expect((await fetch(`${url}/questions/j_${'a'.repeat(26)}/events`)).status).toBe(404)
  expect((await fetch(`${url}/questions`, { method: 'POST' })).status).toBe(400)
  expect(await service.stop()).toMatchObject({ code: 0 })
})

test('subscribe: a second service sees every event of a job it did not enqueue, or those after a position', async () => {
  const job = await fleet.redis.enqueue({ prompt: '[[text:for the second one]] subscribe' })
  const { stdout, code } = await run('subscribe.mjs', job.id)
  expect(code).toBe(0)
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => Number(line.split(' ')[0]))).toEqual(lines.map((_, index) => index + 1))
  expect(lines.at(-1)).toBe(`${lines.length} completed`)
  expect((await run('subscribe.mjs', job.id, '2')).stdout.trim().split('\n')).toEqual(lines.slice(2))
})

test('fan-out: 100 prompts are answered, in the order they were asked', async () => {
  const { stdout, stderr, code } = await run('fan-out/gather.mjs')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.trim().split('\n')).toEqual(
    Array.from({ length: 100 }, (_, index) => `square-${index}: Echo: What is ${index} squared?`),
  )
}, 120_000)

test('the client is used from CommonJS, by require and by import()', async () => {
  expect(await run('commonjs.cjs')).toMatchObject({ code: 0, stdout: 'Echo: Say hello\n' })
  const script = "import('@claude-fleet/client').then(({ FleetClient }) => console.log(typeof FleetClient.connect))"
  const imported = await runNode(['--input-type=commonjs', '--eval', script], { cwd: EXAMPLES })
  expect(imported).toMatchObject({ code: 0, stdout: 'function\n' })
})
