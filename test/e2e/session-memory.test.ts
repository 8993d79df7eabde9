import { sessionSpecSchema, type JobResult } from '@claude-fleet/core'
import { connectRedis, createSessions, type Sessions } from '@claude-fleet/queue'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'
import type { RunningProcess } from '../support/service.js'

let fleet: TestFleet
let sessions: Sessions
let first: RunningProcess
const closers: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  fleet = await startFleet()
  closers.push(async () => fleet[Symbol.asyncDispose]())
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const redis = await connectRedis({ url: fleet.redisUrl, name: 'test', mode: 'api' })
  closers.push(() => redis.close())
  sessions = createSessions({ redis, log }, { prefix: 'fleet', retentionMs: 60_000 })
  closers.push(() => sessions.end())
  first = await fleet.worker('first')
})
afterAll(async () => {
  for (const close of closers.toReversed()) await close()
})

test('a conversation goes on in the same process, then on another worker, without the prompt that failed, and in a fork', async () => {
  const { session } = await sessions.create(TEST_TENANT, sessionSpecSchema.parse({ systemPrompt: 'be brief' }))
  const turn = async (prompt: string, id = session.id): Promise<JobResult> =>
    (await fleet.http.enqueue({ prompt, session: id })).result()

  const one = await turn('plum [[text:first answer]]')
  await expect(turn('bad one [[status:400]]')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  const two = await turn('pear [[text:second answer]]')
  const three = await turn('fig [[text:third answer]]')
  // Where a turn failed its process is not gone on with.
  expect([two.start, three.start]).toEqual(['cold', 'reused'])
  expect([two.sessionId, three.sessionId]).toEqual([one.sessionId, one.sessionId])

  const ended = first.stop()
  const second = await fleet.worker('second')
  await ended
  const four = await turn('quince [[text:fourth answer]]')
  expect(four).toMatchObject({ worker: 'second', start: 'cold', sessionId: one.sessionId })
  expect(heard('quince')).toEqual(['plum', 'first answer', 'pear', 'second answer', 'fig', 'third answer', 'quince'])
  expect(systemOf('quince')).toContain('be brief')
  expect(await sessions.get(TEST_TENANT, session.id)).toMatchObject({ turns: 4, state: 'idle', worker: 'second' })

  const fork = await sessions.create(TEST_TENANT, sessionSpecSchema.parse({ fork: session.id }))
  await turn('lemon [[text:of the fork]]', fork.session.id)
  await turn('grape [[text:of the trunk]]')
  expect(heard('lemon')).toEqual([...heard('quince'), 'fourth answer', 'lemon'])
  expect(heard('grape')).toEqual([...heard('quince'), 'fourth answer', 'grape'])
  await second.stop()
})

/** What the model was told of the conversation in the request for this prompt: first words of prompts, and answers. */
function heard(word: string): string[] {
  const body = requestFor(word)?.body
  return (body?.messages ?? []).flatMap(({ role, content }) => {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content
    const texts = blocks.flatMap(({ type, text = '' }) => (type === 'text' ? [text] : []))
    const own = texts.filter((text) => role !== 'system' && !text.startsWith('<system-reminder>'))
    return own.map((text) => text.split(' [[')[0] ?? '')
  })
}

const systemOf = (word: string) => requestFor(word)?.system

function requestFor(word: string) {
  return fleet.model.ledger.turns().find(({ prompt }) => prompt.startsWith(word))
}
