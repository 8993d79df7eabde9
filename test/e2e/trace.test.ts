import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
})
afterAll(() => fleet[Symbol.asyncDispose]())

const CANARY = 'sk-canary-of-the-trace'

test('debug mode writes what claude was told and said, attempt by attempt, and never a key, whoever says it', async () => {
  const folder = join(fleet.workspaceRoot, '..', 'traces')
  const worker = await fleet.worker('traced', {
    FLEET_TRACE_DIR: folder,
    FLEET_LOG_LEVEL: 'debug',
    ANTHROPIC_API_KEY: CANARY,
    // Without it claude would not have the key.
    FLEET_EGRESS_PROXY: 'off',
  })
  // A tool prints the key from its environment, and the model repeats it in pieces of some letters.
  const tool = '[[tool:Bash:{"command":"echo key is $ANTHROPIC_API_KEY"}]]'
  const prompt = `${tool}[[slow:40,1]][[text:the key ${CANARY} is told]] tell`
  const [told, failed] = [
    await fleet.http.enqueue({ prompt, allowedTools: ['Bash'] }),
    await fleet.http.enqueue({ prompt: '[[status:400]] fail' }),
  ]
  await told.result()
  await expect(failed.result()).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  const { stderr, stdout } = await worker.stop()

  const names = (await readdir(folder)).filter((name) => !name.includes('.err.')).sort()
  const expected = [told.id, failed.id].flatMap((id) => [`${id}.1.in.ndjson`, `${id}.1.out.ndjson`])
  expect(names).toEqual(expected.sort())
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  for (const text of texts) expect(text).not.toContain(CANARY)

  const lines = async (kind: string) =>
    (await readFile(join(folder, `${told.id}.1.${kind}.ndjson`), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
  const input = await lines('in')
  const output = await lines('out')
  expect(input[0]).toMatchObject({ type: 'control_request', request: { subtype: 'initialize' } })
  const prompts = input.filter(({ type }) => type === 'user')
  expect(prompts).toHaveLength(1)
  expect(JSON.stringify(prompts)).toContain('[[text:the key [redacted] is told]] tell')
  const results = output.filter(({ type }) => type === 'result')
  expect(results).toMatchObject([{ subtype: 'success', result: 'the key [redacted] is told' }])
  expect(JSON.stringify(output)).toContain('key is [redacted]')
  const streamed = output.map((line) => line.event?.delta?.text ?? '').join('')
  expect(streamed).toBe('the key [redacted] is told')

  // The log tells each attempt's begin and end, and nothing secret.
  const logged = (stdout + stderr).split('\n').filter((line) => line.includes('attempt ended'))
  expect(logged.map((line) => JSON.parse(line) as object)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ jobId: told.id, attempt: 1, worker: 'traced', outcome: 'completed' }),
      expect.objectContaining({ jobId: failed.id, attempt: 1, outcome: 'failed', code: 'INVALID_REQUEST' }),
    ]),
  )
  expect(stdout + stderr).not.toContain(CANARY)
})

interface Line {
  type: string
  event?: { delta?: { text?: string } }
}
