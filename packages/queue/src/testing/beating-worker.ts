import { fingerprintOf } from '../admission/credentials.js'
import { connectRedis } from '../redis/connect.js'
import type { AttemptOutcome, Claim } from '../types.js'
import { registerWorker } from '../workers/registration.js'
import { QUIET, type TestFleet } from './fleet.js'

/** A worker that has one value of each of its credentials. It beats when it is told to, and pauses as a worker does. */
export interface BeatingWorker {
  beat(): Promise<void>
  close(): Promise<void>
}

export async function startBeatingWorker(
  fleet: TestFleet,
  url: string,
  {
    workerId,
    value = 'key',
    limit,
    credentials = ['default'],
    labels = [],
  }: { workerId: string; value?: string; limit: number; credentials?: string[]; labels?: string[] },
  run: (claim: Claim) => Promise<AttemptOutcome>,
): Promise<BeatingWorker> {
  const fingerprint = fingerprintOf({ ANTHROPIC_API_KEY: value })
  const redis = await connectRedis({ url, name: workerId, mode: 'worker' })
  const has = (name: string) => credentials.includes(name)
  const consumer = await fleet.consume(run, { workerId, concurrency: limit, fingerprint, labels, has })
  const status = () => ({
    claudeVersion: '1',
    limit,
    running: consumer.running(),
    spares: 0,
    credentials,
    labels,
    pausedReason: undefined,
    pool: { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 },
    ends: {},
  })
  const fingerprints = Object.fromEntries(credentials.map((name) => [name, fingerprint]))
  const options = { prefix: fleet.prefix, workerId, host: 'h', pid: 1, fingerprints }
  const onBeat = ({ closed }: { closed: ReadonlyMap<string, number> }) => consumer.hold(closed.has('default'))
  const registration = await registerWorker({ redis, log: QUIET, status, onDrain() {}, onBeat }, options, {
    ttlMs: 60_000,
    beatMs: 60_000,
  })
  return {
    beat: () => registration.beat(),
    async close() {
      await registration.close()
      await redis.close()
    },
  }
}
