import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startFake, type FakeLine } from './testing/fake.js'

const MIB = 1024 * 1024

test('it ends right at its start, with words on stderr', async () => {
  const fake = await startFake('[[start-exit:3,bad flag, sorry]]')
  expect(await fake.ended).toEqual({ code: 3, signal: null })
  expect([fake.stderr(), fake.stdout().length]).toEqual(['bad flag, sorry\n', 0])
})

test('a slow start answers late; one that hangs never', async () => {
  const start = performance.now()
  const slow = await startFake('[[start-delay:300]]')
  slow.control({ subtype: 'initialize' })
  await slow.line(isReply)
  expect(performance.now() - start).toBeGreaterThanOrEqual(300)
  const hung = await startFake('[[start-hang]]')
  hung.control({ subtype: 'initialize' })
  expect(await isQuiet(hung.line(isReply))).toBe(true)
})

test('before init and after the result it hangs until a signal', async () => {
  const before = await startFake()
  before.say('[[hang-init]]')
  expect(await isQuiet(before.line(() => true))).toBe(true)
  const after = await startFake()
  after.say('[[hang-after-result]] x')
  expect(await after.result()).toMatchObject({ result: 'Echo: x' })
  after.say('more')
  after.end()
  expect(await isQuiet(after.ended)).toBe(true)
  expect(await isQuiet(after.result())).toBe(true)
  after.kill('SIGTERM')
  expect((await after.ended).code).toBe(143)
})

test('it ends without a result, in the middle of its turn, by a code or a signal', async () => {
  const silent = await startFake()
  silent.say('[[no-result]][[exit-after:0]] x')
  expect(await silent.ended).toEqual({ code: 0, signal: null })
  expect(typesOf(silent.stdout())).toContain('assistant')
  expect(typesOf(silent.stdout())).not.toContain('result')
  for (const [mark, end] of [
    ['[[exit:7]]', { code: 7, signal: null }],
    ['[[kill:SIGSEGV]]', { code: null, signal: 'SIGSEGV' }],
  ]) {
    const fake = await startFake()
    fake.say(`${mark as string} some text`)
    expect(await fake.ended).toEqual(end)
    const texts = fake
      .stdout()
      .toString()
      .match(/text_delta/g)
    expect([texts?.length, typesOf(fake.stdout()).includes('assistant')]).toEqual([1, false])
  }
})

test('it exits after its result, with any code', async () => {
  const fake = await startFake()
  fake.say('[[exit-after:9]] x')
  expect(await fake.result()).toMatchObject({ is_error: false })
  expect(await fake.ended).toEqual({ code: 9, signal: null })
})

test('half of the result is the last thing it writes', async () => {
  const fake = await startFake()
  fake.say('[[half-result]] x')
  expect(await fake.ended).toEqual({ code: 0, signal: null })
  const last = fake.stdout().toString().split('\n').at(-1) ?? ''
  expect(last).toMatch(/^\{"type":"result"/)
  expect(() => JSON.parse(last) as unknown).toThrow(SyntaxError)
})

test('lines that come in pieces are still whole, and replies do not fall between the pieces', async () => {
  const fake = await startFake('[[split]]')
  fake.say('[[text:ünïcödé 😀]]')
  fake.control({ subtype: 'get_usage' })
  expect(await fake.result()).toMatchObject({ result: 'ünïcödé 😀' })
  const lines = fake.stdout().toString().trim().split('\n')
  expect(lines.map((line) => typeof JSON.parse(line))).toEqual(lines.map(() => 'object'))
  // How many pieces are read at once is up to the system; that some ended within a line is not.
  expect(fake.chunks.filter((chunk) => chunk.at(-1) !== 0x0a)).not.toEqual([])
})

test('garbage and bytes that are not UTF-8 come between, and the turn goes on', async () => {
  const fake = await startFake()
  fake.say('[[garbage:20]][[bad-bytes]] x')
  expect(await fake.result()).toMatchObject({ result: 'Echo: x' })
  const stdout = fake.stdout()
  expect(stdout.includes(Buffer.from([0xff, 0xc3]))).toBe(true)
  expect(stdout.includes('no json at all\n')).toBe(true)
  expect(stdout.includes(Buffer.from([0x00, 0x0a]))).toBe(true)
})

test('one line of many bytes, with an end or without, and many lines', async () => {
  const whole = await startFake()
  whole.say(`[[line:${MIB}]] x`)
  const line = await whole.line(({ subtype }) => subtype === 'informational')
  expect(JSON.stringify(line).length + 1).toBe(MIB)
  expect(await whole.result()).toMatchObject({ result: 'Echo: x' })

  const open = await startFake()
  open.say(`[[open-line:${MIB}]][[exit-after:0]] x`)
  await open.ended
  const longest = Math.max(
    ...open
      .stdout()
      .toString()
      .split('\n')
      .map((one) => one.length),
  )
  expect(longest).toBeGreaterThan(MIB)

  const flood = await startFake()
  flood.say(`[[flood:${4 * MIB}]] x`)
  await flood.result()
  expect(flood.stdout().length).toBeGreaterThan(3 * MIB)
})

test('it writes on stderr, a little and much', async () => {
  const fake = await startFake()
  fake.say('[[stderr:error: something]][[stderr-bytes:200000]][[exit-after:0]] x')
  await fake.ended
  expect(fake.stderr()).toMatch(/^error: something\ne{1000}/)
})

test('it ignores SIGTERM, the end of stdin and interrupts', async () => {
  const fake = await startFake('[[ignore-eof]]')
  fake.say('[[ignore-term]][[ignore-interrupt]][[hang]]')
  await fake.line(({ subtype }) => subtype === 'status')
  fake.control({ subtype: 'interrupt' })
  fake.end()
  fake.kill('SIGTERM')
  expect(await isQuiet(fake.ended)).toBe(true)
  expect(await isQuiet(fake.result())).toBe(true)
  fake.kill('SIGKILL')
  expect((await fake.ended).signal).toBe('SIGKILL')
  expect((await fake.log()).map(({ event }) => event)).toEqual(['start', 'prompt'])
})

test('results that nobody asked for have an origin, and come before and after the own one', async () => {
  const fake = await startFake()
  fake.say('[[unsolicited]][[unsolicited-later:10]] x', 'u1')
  expect(await fake.result()).toMatchObject({ origin: { kind: 'task-notification' } })
  const own = await fake.result()
  expect([own.result, own['origin'], own['user_message_uuid']]).toEqual(['Echo: x', undefined, 'u1'])
  expect(await fake.result()).toMatchObject({ origin: { kind: 'task-notification' } })
})

test('its daemons outlive it: own sessions, no parent, no environment', async () => {
  const daemons = await leaveDaemons('[[daemons:stubborn]]')
  expect(daemons.map(({ kind }) => kind)).toEqual(['child', 'setsid', 'orphan', 'hidden'])
  for (const { pid } of daemons) process.kill(pid, 'SIGTERM')
  await pause(50)
  expect(await Promise.all(daemons.map(({ pid }) => isAlive(pid)))).toEqual([true, true, true, true])
  if (process.platform !== 'linux') return
  const environments = await Promise.all(daemons.map(({ pid }) => readFile(`/proc/${pid}/environ`, 'utf8')))
  expect(environments.map((text) => text.includes('TEST_FOLDER'))).toEqual([true, true, true, false])
  const sessions = await Promise.all(daemons.map(async ({ pid }) => (await statOf(pid))[3]))
  expect(sessions.map((session) => session === sessions[0])).toEqual([true, false, false, false])
})

test('daemons that are not stubborn end at SIGTERM', async () => {
  const daemons = await leaveDaemons('[[daemons]]')
  expect(await Promise.all(daemons.map(({ pid }) => isAlive(pid)))).toEqual([true, true, true, true])
  for (const { pid } of daemons) process.kill(pid, 'SIGTERM')
  await vi.waitUntil(async () => (await Promise.all(daemons.map(({ pid }) => isAlive(pid)))).every((alive) => !alive))
})

test('it kills its parent', async () => {
  // The shell in between is the parent: it waits for what it started.
  const fake = await startFake('[[ignore-eof]]', ['/bin/sh', '-c', '"$@"; exit 0', 'sh'])
  fake.say('[[kill-parent]] x')
  const { pid } = await pidOfFake(fake.log)
  onTestFinished(async () => {
    if (await isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  expect(await fake.ended).toEqual({ code: null, signal: 'SIGKILL' })
})

test.each(['[[exit:300]]', '[[line:1]]', '[[hang-init:1]]', '[[kill:SIGNOPE]]', '[[bad-bytes:1]]', '[[valueOf]]'])(
  'a mark that does not fit stays in the text: %s',
  async (mark) => {
    const fake = await startFake()
    fake.say(`${mark} x`)
    expect(await fake.result()).toMatchObject({ result: `Echo: ${mark} x` })
  },
)

async function pidOfFake(log: () => Promise<{ pid: number }[]>): Promise<{ pid: number }> {
  for (;;) {
    const [first] = await log().catch(() => [])
    if (first !== undefined) return first
    await pause(10)
  }
}

function isReply({ type }: FakeLine): boolean {
  return type === 'control_response'
}

function typesOf(stdout: Buffer): string[] {
  const lines = stdout.toString().trim().split('\n')
  return lines.map((line) => (JSON.parse(line) as FakeLine).type)
}

/** Nothing came of it for a while. That it never will cannot be seen. */
async function isQuiet(work: Promise<unknown>): Promise<boolean> {
  const came = work.then(
    () => false,
    () => false,
  )
  return Promise.race([came, pause(200, true)])
}

async function leaveDaemons(mark: string): Promise<{ kind: string; pid: number }[]> {
  const fake = await startFake()
  fake.say(`${mark}[[exit-after:0]] x`)
  await fake.ended
  const written = (await readFile(fake.pidsFile, 'utf8')).trim().split('\n')
  const daemons = written.map((line) => JSON.parse(line) as { kind: string; pid: number })
  onTestFinished(async () => {
    for (const { pid } of daemons) if (await isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  return daemons
}

/** Fields of /proc/PID/stat from the state on. */
async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** One that has ended and that nobody has asked after is not alive. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return (await statOf(pid))[0] !== 'Z'
}
