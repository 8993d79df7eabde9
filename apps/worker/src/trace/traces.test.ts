import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createRedactor } from '../redactor.js'
import { createTraces } from './traces.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'traces-'))
})
afterEach(() => rm(root, { recursive: true }))

const SECRET = 'sk-canary-of-traces'
const said: object[] = []
const log = {
  debug() {},
  info() {},
  warn: (facts: object) => void said.push(facts),
  error() {},
}
const deps = { redact: createRedactor([{ KEY: SECRET }]), secrets: [SECRET], log }

test('each direction of an attempt has a file, readable by the worker alone, without secrets', async () => {
  const folder = join(root, 'made', 'here')
  const traces = await createTraces(folder, deps)
  const trace = traces.open({ jobId: 'j_a', attempt: 2 })
  trace.line('in', JSON.stringify({ prompt: `use ${SECRET}` }))
  trace.line('out', JSON.stringify({ answer: 'ok' }))
  trace.line('err', `a "quoted" ${SECRET}`)
  trace[Symbol.dispose]()
  await traces.close()
  const names = ['j_a.2.err.ndjson', 'j_a.2.in.ndjson', 'j_a.2.out.ndjson']
  expect((await readdir(folder)).sort()).toEqual(names)
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  expect(texts).toEqual(['"a \\"quoted\\" [redacted]"\n', '{"prompt":"use [redacted]"}\n', '{"answer":"ok"}\n'])
  const modes = await Promise.all(
    [folder, join(folder, 'j_a.2.in.ndjson')].map(async (path) => (await stat(path)).mode),
  )
  expect(modes.map((mode) => mode & 0o777)).toEqual([0o700, 0o600])
})

test('a file is cut at its limit, and its last line says so', async () => {
  const traces = await createTraces(join(root, 'd'), deps, { fileBytes: 40 })
  const trace = traces.open({ jobId: 'j_a', attempt: 1 })
  for (let at = 0; at < 9; at += 1) trace.line('in', '"0123456789"')
  trace[Symbol.dispose]()
  await traces.close()
  const lines = (await readFile(join(root, 'd', 'j_a.1.in.ndjson'), 'utf8')).trimEnd().split('\n')
  expect(lines.slice(0, -1)).toEqual(Array.from({ length: 3 }, () => '"0123456789"'))
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ trace: 'cut' })
})

test('a trace that cannot be written is told once, and throws nothing at the attempt', async () => {
  const folder = join(root, 'd')
  const traces = await createTraces(folder, deps)
  await rm(folder, { recursive: true })
  said.length = 0
  const trace = traces.open({ jobId: 'j_a', attempt: 1 })
  for (let at = 0; at < 5; at += 1) trace.line('in', '{}')
  await expect.poll(() => said.length, { interval: 5 }).toBe(1)
  trace.line('in', '{}')
  trace[Symbol.dispose]()
  await traces.close()
  expect(said).toMatchObject([{ err: { code: 'ENOENT' } }])
})

test('a folder that others may read is refused', async () => {
  const folder = join(root, 'open')
  await mkdir(folder)
  await chmod(folder, 0o755)
  await expect(createTraces(folder, deps)).rejects.toThrow(/^FLEET_TRACE_DIR: .*can be read by others/)
})
