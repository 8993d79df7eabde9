import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FleetClient } from './connect.js'
import { openTestFleet, startTestRedis } from './testing/fleet.js'
import { startGate } from './testing/gate.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const ID = `j_${'a'.repeat(26)}`

/** Every call of a client that waits for the fleet. */
const CALLS: [name: string, (client: FleetClient, signal: AbortSignal) => Promise<unknown>][] = [
  ['enqueue', (client, signal) => client.enqueue({ prompt: 'p' }, { signal })],
  ['batch', (client, signal) => client.batch([{ prompt: 'p' }], { signal })],
  ['jobs', (client, signal) => client.jobs({}, { signal })],
  ['get', (client, signal) => client.job(ID).get({ signal })],
  ['result', (client, signal) => client.job(ID).result({ signal })],
  ['cancel', (client, signal) => client.job(ID).cancel({ signal })],
  ['retry', (client, signal) => client.job(ID).retry({ signal })],
]
const OPERATORS: typeof CALLS = [
  ['workers', (client, signal) => client.workers({ signal })],
  ['stats', (client, signal) => client.stats({ signal })],
  ['drainWorker', (client, signal) => client.drainWorker('w1', { signal })],
]

describe.each(['http', 'redis'] as const)('over %s', (transport) => {
  const calls = transport === 'http' ? [...CALLS, ...OPERATORS] : CALLS

  test('every call to a fleet that stands still rejects with the reason of its signal, at once', async () => {
    await using fleet = await openTestFleet(redis.url)
    await using gate = await startGate(transport === 'http' ? fleet.url : redis.url)
    const client = await fleet.connect(transport, transport === 'http' ? { url: gate.url } : { redis: gate.url })
    gate.hold()
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.name)
    process.on('warning', listen)
    const leave = new AbortController()
    const reason = new Error('no more time')
    const waits = calls.map(async ([name, call]) => [name, await call(client, leave.signal).catch((e: unknown) => e)])
    const events = (async () => {
      for await (const event of client.job(ID).events({ signal: leave.signal })) return event
      return 'ended'
    })()
    // Every call is on its way, and none has an answer.
    const first = await Promise.race([Promise.race(waits), events, new Promise((resolve) => setTimeout(resolve, 100))])
    expect(first).toBeUndefined()
    const abortedAt = performance.now()
    leave.abort(reason)
    expect(await Promise.all(waits)).toEqual(calls.map(([name]) => [name, reason]))
    expect(await events).toBe('ended')
    // Far below any deadline of a call, the shortest of which is 5 s.
    expect(performance.now() - abortedAt).toBeLessThan(2_500)

    // A signal that has aborted sends nothing; one that many calls share is not taken for a leak.
    for (const [, call] of calls) await expect(call(client, leave.signal)).rejects.toBe(reason)
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })

  test('close ends every call to a fleet that stands still', async () => {
    await using fleet = await openTestFleet(redis.url)
    await using gate = await startGate(transport === 'http' ? fleet.url : redis.url)
    const client = await fleet.connect(transport, transport === 'http' ? { url: gate.url } : { redis: gate.url })
    gate.hold()
    const never = new AbortController().signal
    const waits = calls.map(([, call]) => call(client, never).catch((error: unknown) => error))
    await client.close()
    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: false })
  })

  test('connect ends with its signal, also when nothing answers', async () => {
    await using gate = await startGate(transport === 'http' ? 'http://127.0.0.1:1' : redis.url)
    gate.hold()
    const leave = new AbortController()
    const reason = new Error('no more time')
    const options = transport === 'http' ? { url: gate.url } : { redis: gate.url }
    const connecting = FleetClient.connect({ ...options, signal: leave.signal }).catch((error: unknown) => error)
    setImmediate(() => leave.abort(reason))
    expect(await connecting).toBe(reason)
    await expect(FleetClient.connect({ ...options, signal: leave.signal })).rejects.toBe(reason)
  })
})
