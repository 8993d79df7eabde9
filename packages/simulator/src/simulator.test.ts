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

const BASH = { name: 'Bash', input: { command: 'if [[ -f x ]]; then echo "}]]"; fi' } }

test.each([
  ['[[text:a, b. C!]] rest', { text: 'a, b. C!', marks: ['[[text:a, b. C!]]'] }],
  ['[[slow:4,25]] hi', { chunks: 4, chunkMs: 25, text: 'Echo: hi' }],
  ['[[tool:Bash:{"a":[[1],2]}]] x', { tools: [[{ name: 'Bash', input: { a: [[1], 2] } }]] }],
  [`[[tool:Bash:${JSON.stringify(BASH.input)}]] x`, { tools: [[BASH]], text: 'Echo: x' }],
  [`[[tools:${JSON.stringify([BASH, BASH])}]]`, { tools: [[BASH, BASH]] }],
  ['[[structured:{"a":[[1]]}]]', { tools: [[{ name: 'StructuredOutput', input: { a: [[1]] } }]] }],
  ['[[status:429]][[retry-after:3]]', { faults: [{ fault: { code: 429 }, times: undefined }], retryAfter: 3 }],
  ['[[status-once:529,2]]', { faults: [{ fault: { kind: 'status', code: 529 }, times: 2 }] }],
  ['[[cut-once:1]]', { faults: [{ fault: { kind: 'cut', pieces: 1 }, times: 1 }] }],
  ['[[hang-once]]', { faults: [{ fault: { kind: 'hang' }, times: 1 }] }],
  ['[[hang-headers]]', { faults: [{ fault: { kind: 'hang-after', pieces: 0 }, times: undefined }] }],
  ['[[tokens:5,7]]', { tokens: { input: 5, output: 7, cacheRead: 0 } }],
  ['[[bytes:10]]', { text: 'xxxxxxxxxx' }],
])('the marks of %s are read', (prompt, read) => {
  expect(parseScript(prompt)).toMatchObject(read)
})

test.each([
  '[[nonsense]] x',
  '[[toString]] x',
  '[[constructor-once:1]] x',
  '[[status:200]] x',
  '[[status-once:429,1,1]] x',
  '[[hang:1]] x',
  '[[slow:many,1]] x',
  '[[tool:Bash:{]] x',
  '[[tool:Bash:"no object"]] x',
  '[[tools:[]]] x',
  '[[text:not closed',
  'if [[ -f x ]]; then',
])('a mark that is not known or does not fit stays in the text: %s', (prompt) => {
  expect(parseScript(prompt)).toMatchObject({ text: `Echo: ${prompt}`, marks: [] })
})

test.each(['', ']]'])('many openings that end nowhere, or in %j, are read in a moment', (end) => {
  const prompt = '[[tool:Bash:{'.repeat(80_000) + end
  // Of the processor, in microseconds: what else the machine does is not this code's.
  const start = process.cpuUsage()
  expect(parseScript(prompt).text.length).toBe(prompt.length + 'Echo: '.length)
  expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
})

test('an error is answered as often as it was asked for, with its headers', async () => {
  const statuses = []
  for (let count = 0; count < 3; count += 1) statuses.push((await ask('[[status-once:529,2]] x')).status)
  expect(statuses).toEqual([529, 529, 200])
  const limited = await ask('[[usage-limit:60]][[retry-after:7]] x')
  expect(limited.status).toBe(429)
  expect(limited.headers.get('anthropic-ratelimit-unified-status')).toBe('rejected')
  expect(limited.headers.get('retry-after')).toBe('7')
  expect(Number(limited.headers.get('anthropic-ratelimit-unified-reset'))).toBeGreaterThan(Date.now() / 1_000)
})

test.each([
  ['[[status:401]]', 401, 'authentication_error', 'invalid x-api-key'],
  ['[[status:404]]', 404, 'not_found_error', 'model: m'],
  ['[[status:529]]', 529, 'overloaded_error', 'Overloaded'],
  ['[[no-credit]]', 400, 'invalid_request_error', 'credit balance is too low'],
  ['[[prompt-too-long]]', 400, 'invalid_request_error', 'prompt is too long: 250000 tokens'],
])('%s is answered as the API does', async (prompt, status, type, words) => {
  const reply = await ask(prompt)
  expect(reply.status).toBe(status)
  const message: unknown = expect.stringContaining(words)
  expect(await reply.json()).toEqual({ type: 'error', error: { type, message } })
})

test('several faults of a prompt happen one after the other, then it is answered', async () => {
  const prompt = '[[status-once:529]][[cut-once:0]][[sse-error-once:1]][[text:well]]'
  expect((await ask(prompt)).status).toBe(529)
  await expect((await ask(prompt)).text()).rejects.toThrow('terminated')
  expect(await (await ask(prompt)).text()).toContain('event: error')
  expect(await textOf(await ask(prompt))).toBe('well')
  expect(model.ledger.entries().map((entry) => entry.fault)).toEqual(['status', 'cut', 'sse-error', undefined])
})

test.each([
  ['[[cut:1]][[text:never whole]]', 'terminated'],
  ['[[cut:1000]] past its end', 'terminated'],
])('%s drops the connection before the answer is whole', async (prompt, error) => {
  await expect((await ask(prompt)).text()).rejects.toThrow(error)
})

test('a reset comes instead of an answer', async () => {
  await expect(ask('[[reset]]')).rejects.toThrow('fetch failed')
})

test('tools are used in order, those of one list in one reply, and late faults wait for them', async () => {
  const prompt = `[[tools:${JSON.stringify([BASH, BASH])}]][[tool:Read:{"file_path":"/a"}]][[late]][[status:500]]`
  const first = await namesOfTools(await ask(prompt))
  const second = await namesOfTools(await ask(prompt, {}, 1))
  expect([first, second]).toEqual([['Bash', 'Bash'], ['Read']])
  expect((await ask(prompt, {}, 2)).status).toBe(500)
})

test('an answer of surrogate pairs is cut between them', async () => {
  expect(await textOf(await ask(`[[slow:7,0]][[text:${'😀'.repeat(10)}]]`))).toBe('😀'.repeat(10))
})

test('the ledger keeps every request with its key, and tells turns from what claude asks for itself', async () => {
  const heard = model.ledger.waitFor((entry) => entry.prompt === 'second', AbortSignal.timeout(5_000))
  await ask('first', { max_tokens: 1 })
  await ask('name it', { system: 'You are naming a coding session so the user can pick it out.' })
  await ask('second', { system: [{ type: 'text', text: 'Be brief.' }], tools: [{ name: 'Bash' }] })
  const expected = { kind: 'turn', key: 'k', auth: 'x-api-key', system: 'Be brief.', tools: ['Bash'], model: 'm' }
  expect(await heard).toMatchObject(expected)
  expect(model.ledger.entries().map((entry) => entry.kind)).toEqual(['side', 'side', 'turn'])
  expect(model.ledger.turns()).toHaveLength(1)
})

test('the ledger says how an answer ended, and that the caller went away', async () => {
  const leaving = new AbortController()
  const hanging = ask('[[hang-after:1]] x', {}, 0, leaving.signal)
  await (await hanging).body?.getReader().read()
  leaving.abort()
  const signal = AbortSignal.timeout(5_000)
  expect(await model.ledger.waitFor((entry) => entry.aborted, signal)).toMatchObject({ status: 200 })
  await (await ask('[[status:500]] y')).text()
  const failed = await model.ledger.waitFor((entry) => entry.status === 500, signal)
  expect(failed).toMatchObject({ aborted: false, fault: 'status' })
  await expect(model.ledger.waitFor(() => false, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})

test('the ledger drops its oldest entries past its limits', async () => {
  const small = await startSimulator({ ledgerEntries: 3, ledgerCharacters: 1_000 })
  for (const prompt of ['a', 'b', 'c', 'd']) await ask(prompt, {}, 0, undefined, small)
  expect(small.ledger.entries().map((entry) => entry.prompt)).toEqual(['b', 'c', 'd'])
  await ask('x'.repeat(5_000), {}, 0, undefined, small)
  expect(small.ledger.entries()).toHaveLength(1)
  await small.close()
})

test('a request that is none gets the error of the Messages API', async () => {
  const reply = await fetch(`${model.url}/v1/messages`, { method: 'POST', body: '{"model": 1}' })
  expect(reply.status).toBe(400)
  expect(await reply.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
  expect((await fetch(`${model.url}/v1/files`)).status).toBe(404)
  expect((await fetch(model.url, { method: 'HEAD' })).status).toBe(200)
})

test('close ends a request that hangs', async () => {
  const hanging = ask('[[hang]] x')
  await model.ledger.waitFor(() => true, AbortSignal.timeout(5_000))
  await model.close()
  await expect(hanging).rejects.toThrow('fetch failed')
})

/** Asks for the reply that follows `rounds` uses of tools. */
function ask(prompt: string, fields: object = {}, rounds = 0, signal?: AbortSignal, of = model): Promise<Response> {
  const messages: object[] = [{ role: 'user', content: [{ type: 'text', text: prompt }] }]
  for (let round = 0; round < rounds; round += 1) {
    messages.push({ role: 'assistant', content: [{ type: 'tool_use' }] })
    messages.push({ role: 'user', content: [{ type: 'tool_result' }] })
  }
  const body = { model: 'm', max_tokens: 100, stream: true, messages, ...fields }
  return fetch(`${of.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'k' },
    body: JSON.stringify(body),
    signal: signal ?? null,
  })
}

async function eventsOf(reply: Response) {
  const lines = (await reply.text()).split('\n').filter((line) => line.startsWith('data: '))
  return lines.map(
    (line) => JSON.parse(line.slice(6)) as { delta?: { text?: string }; content_block?: { name?: string } },
  )
}

async function textOf(reply: Response): Promise<string> {
  return (await eventsOf(reply)).map((event) => event.delta?.text ?? '').join('')
}

async function namesOfTools(reply: Response): Promise<string[]> {
  return (await eventsOf(reply)).flatMap((event) => event.content_block?.name ?? [])
}
