import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseScript } from './script.js'
import { startSimulator, type Simulator } from './simulator.js'

let model: Simulator
beforeEach(async () => {
  model = await startSimulator()
})
afterEach(() => model.close())

test('without marks the answer echoes the prompt, streamed or whole', async () => {
  expect(await textOf(await ask('hello there'))).toBe('Echo: hello there')
  const whole = (await (await ask('hello there', { stream: false })).json()) as { content: object[] }
  expect(whole.content).toEqual([{ type: 'text', text: 'Echo: hello there' }])
})

test.each([
  ['[[text:a, b. C!]] rest', { text: 'a, b. C!' }],
  ['[[slow:4,25]] hi', { chunks: 4, chunkMs: 25, text: 'Echo: hi' }],
  ['[[tool:Bash:{"a":[[1],2]}]] x', { tools: [{ name: 'Bash', input: { a: [[1], 2] } }] }],
  ['[[status:429]][[retry-after:3]]', { status: { code: 429, times: undefined }, retryAfter: 3 }],
  ['[[status-once:529,2]]', { status: { code: 529, times: 2 } }],
  ['[[cut-once:1]]', { cut: { after: 1, times: 1 } }],
  ['[[tokens:5,7]]', { tokens: { input: 5, output: 7 } }],
  ['[[bytes:10]]', { text: 'xxxxxxxxxx' }],
])('the marks of %s are read', (prompt, read) => {
  expect(parseScript(prompt)).toMatchObject(read)
})

test.each(['[[nonsense]] x', '[[status:200]] x', '[[slow:many,1]] x', '[[tool:Bash:{]] x'])(
  'a mark that is not known or does not fit stays in the text: %s',
  (prompt) => {
    expect(parseScript(prompt).text).toBe(`Echo: ${prompt}`)
  },
)

test('an error is answered as often as it was asked for, with its headers', async () => {
  const statuses = []
  for (let count = 0; count < 3; count += 1) statuses.push((await ask('[[status-once:529,2]] x')).status)
  expect(statuses).toEqual([529, 529, 200])
  const limited = await ask('[[usage-limit:60]] x')
  expect(limited.status).toBe(429)
  expect(limited.headers.get('anthropic-ratelimit-unified-status')).toBe('rejected')
  expect(Number(limited.headers.get('anthropic-ratelimit-unified-reset'))).toBeGreaterThan(Date.now() / 1_000)
})

test('a cut drops the connection in the middle of the answer', async () => {
  const reply = await ask('[[cut:1]][[text:never whole]] x')
  await expect(reply.text()).rejects.toThrow('terminated')
})

test('the ledger keeps every request with its key, and tells turns from probes', async () => {
  const heard = model.ledger.waitFor((entry) => entry.prompt === 'second', AbortSignal.timeout(5_000))
  await ask('first', { max_tokens: 1 })
  await ask('second')
  expect(await heard).toMatchObject({ kind: 'turn', key: 'k', prompt: 'second' })
  expect(model.ledger.entries().map((entry) => entry.kind)).toEqual(['side', 'turn'])
})

test('a request that is none gets the error of the Messages API', async () => {
  const reply = await fetch(`${model.url}/v1/messages`, { method: 'POST', body: '{"model": 1}' })
  expect(reply.status).toBe(400)
  expect(await reply.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
})

test('close ends a request that hangs', async () => {
  const hanging = ask('[[hang]] x')
  await model.ledger.waitFor(() => true, AbortSignal.timeout(5_000))
  await model.close()
  await expect(hanging).rejects.toThrow('fetch failed')
})

function ask(prompt: string, fields: object = {}): Promise<Response> {
  const messages = [{ role: 'user', content: [{ type: 'text', text: prompt }] }]
  const body = { model: 'm', max_tokens: 100, stream: true, messages, ...fields }
  return fetch(`${model.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'k' },
    body: JSON.stringify(body),
  })
}

async function textOf(reply: Response): Promise<string> {
  const lines = (await reply.text()).split('\n').filter((line) => line.startsWith('data: '))
  const events = lines.map((line) => JSON.parse(line.slice(6)) as { delta?: { text?: string } })
  return events.map((event) => event.delta?.text ?? '').join('')
}
