import { isFleetError, runChecks, type Check } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { clientOf, connectRedis } from '../connect.js'
import { within } from '../deadline.js'
import { accessCheck } from './access.js'
import { connectionChecks, maskedAddress, redisCli } from './connection.js'
import { memoryChecks } from './memory.js'
import { historyCheck } from './history.js'
import { persistenceChecks } from './persistence.js'
import { serverChecks } from './server.js'

export interface InspectRedisOptions {
  /** As for `connectRedis`. */
  url: string
  /** How a shell reaches this Redis; begins the commands that mend it. Default `redis-cli -u "$REDIS_URL"`. */
  cli?: string | undefined
  /** `FLEET_PREFIX`: whose keys and channels this user must be able to use. */
  prefix: string
  /** This host's clock, ms since the epoch. */
  now: () => number
}

/** What a server says of itself. */
export interface RedisFacts {
  /** The reply to INFO; undefined where this user may not ask. */
  info: string | undefined
  /** Settings by name; undefined where this user may not ask, as with most hosted ones. */
  config: ReadonlyMap<string, string> | undefined
  /** Begins the commands that mend it. */
  cli: string
}

const CALL_MS = 2_500
const PINGS = 10
const SETTINGS = ['appendfsync', 'save', 'client-output-buffer-limit', 'timeout'] as const

/**
 * Looks at a Redis as the fleet needs it: reachable and how fast, version, role, persistence, memory, clock, limits,
 * secrecy of the connection. Changes nothing. Takes at most 9 s, also when Redis stands still. Never rejects; what cannot
 * be asked here is `skipped`. No check holds the password.
 */
export async function inspectRedis(options: InspectRedisOptions): Promise<readonly Check[]> {
  const { url, prefix, now } = options
  const address = maskedAddress(url)
  const cli = options.cli ?? 'redis-cli -u "$REDIS_URL"'
  const connecting = connectRedis({ url, name: 'doctor', mode: 'api' })
  let redis: Awaited<typeof connecting>
  try {
    redis = await connecting
  } catch (error) {
    return [unreachable(address, error, cli)]
  }
  try {
    const client = clientOf(redis)
    const shell = redisCli(url, cli, client.stream)
    const fix = `${shell} PING`
    const checks = await Promise.all([
      runChecks({ name: 'redis.reachable', ms: CALL_MS, fix }, async () => [await latency(address, redis.ping)]),
      runChecks({ name: 'redis.clock', ms: CALL_MS, fix }, async () => [clockCheck(await clockSkew(client, now))]),
      runChecks({ name: 'redis.access', ms: CALL_MS, fix }, async () => [
        await accessCheck(client, { prefix, cli: shell }),
      ]),
      runChecks({ name: 'redis.history', ms: CALL_MS, fix }, async () => [
        await historyCheck(client, { prefix, now: now() }),
      ]),
      runChecks({ name: 'redis.settings', ms: CALL_MS, fix }, async () => {
        const facts = { ...(await readFacts(client)), cli: shell }
        return [...serverChecks(facts), ...persistenceChecks(facts), ...memoryChecks(facts)]
      }),
    ])
    return [...checks.flat(), ...connectionChecks(url)]
  } finally {
    await redis.close()
  }
}

function unreachable(address: string, error: unknown, cli: string): Check {
  const message = error instanceof Error ? error.message : String(error)
  const why = /Unknown RESP type|Protocol error/.test(message) ? 'what answers there is no Redis' : message
  const found = `${address}: ${why.replace(/^Redis cannot be reached: /, '')}`
  const login = /NOAUTH|WRONGPASS|invalid password|invalid username/i.test(message)
  const fix = isFleetError(error) && error.code === 'INVALID_REQUEST' ? 'set REDIS_URL' : `${cli} PING`
  return {
    name: 'redis.reachable',
    status: 'fail',
    found,
    expected: 'an answer',
    fix: login ? 'set the user and password in REDIS_URL: redis://user:password@host:6379' : fix,
  }
}

async function latency(address: string, ping: () => Promise<number>): Promise<Check> {
  const times: number[] = []
  for (let round = 0; round < PINGS; round += 1) times.push(await ping())
  times.sort((a, b) => a - b)
  const [median = 0, worst = 0] = [times[Math.floor(PINGS / 2)], times.at(-1)]
  const found = `${address} answers in ${ms(median)} (median of ${PINGS}; longest ${ms(worst)})`
  if (median < SLOW_MS) return { name: 'redis.reachable', status: 'ok', found }
  const fix = 'run the workers near Redis, and look for what slows it: redis-cli SLOWLOG GET, INFO latencystats'
  return { name: 'redis.reachable', status: 'warn', found, expected: `less than ${SLOW_MS} ms`, fix }
}

/** Each event batch of each job is a round trip. */
const SLOW_MS = 20
const ms = (value: number) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`

/** How far Redis's clock is ahead of this host's, ms: of five answers the one that was on its way the shortest. */
async function clockSkew(client: Redis, now: () => number): Promise<number> {
  let best = { trip: Infinity, skew: 0 }
  for (let round = 0; round < 5; round += 1) {
    const sentAt = now()
    const [seconds, micros] = await within(CALL_MS, client.time(), 'TIME')
    const trip = now() - sentAt
    const skew = Number(seconds) * 1_000 + Number(micros) / 1_000 - (sentAt + trip / 2)
    if (trip < best.trip) best = { trip, skew }
  }
  return best.skew
}

const MAX_SKEW_MS = 5_000

function clockCheck(skew: number): Check {
  const side = skew > 0 ? 'behind' : 'ahead of'
  const found = Math.abs(skew) < 100 ? 'as Redis' : `${(Math.abs(skew) / 1_000).toFixed(1)} s ${side} Redis`
  if (Math.abs(skew) <= MAX_SKEW_MS) return { name: 'redis.clock', status: 'ok', found }
  const fix = 'timedatectl set-ntp true   # on the host whose clock is wrong: this one or that of Redis'
  return { name: 'redis.clock', status: 'fail', found, expected: `within ${MAX_SKEW_MS / 1_000} s`, fix }
}

async function readFacts(client: Redis): Promise<Omit<RedisFacts, 'cli'>> {
  const [info, ...settings] = await Promise.all([
    allowed(within(CALL_MS, client.info(), 'INFO')),
    // One a call: several at once are understood since 7.0 only.
    ...SETTINGS.map((name) => allowed(within(CALL_MS, client.config('GET', name), 'CONFIG GET'))),
  ])
  const pairs = settings.flatMap((reply) => (Array.isArray(reply) ? [reply.map(String)] : []))
  const config = settings.includes(undefined)
    ? undefined
    : new Map(pairs.map(([name = '', value = '']) => [name, value]))
  return { info, config }
}

/** Undefined where Redis refuses the command to this user, or was started without it. */
async function allowed<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply
  } catch (error) {
    if (error instanceof Error && /NOPERM|unknown command|unknown subcommand|not allowed/i.test(error.message))
      return undefined
    throw error
  }
}
