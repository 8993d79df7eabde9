import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'
import { bodyOf, readDelivery } from './delivery.js'
import { ownerOf, readRecord, type WebhookRecord } from './record.js'
import type { Vault } from './vault.js'
import { DELIVERY_MAX_AGE_MS, judge, PROBE_AFTER, type Verdict, type WebhookAnswer } from './verdict.js'

/** Requests at once to one endpoint. */
const AT_ONCE = 4
/** Then the endpoint goes to the end of the queue, so that others have their turn. */
const ROUND_MS = 10_000
/** An endpoint that cannot be served as it is, such as without the key of its secret, is looked at again after this. */
const BLOCKED_MS = 60_000

/** One request, as whoever speaks HTTP has to send it. */
export interface WebhookRequest {
  url: string
  /** The `webhook-id`. */
  id: string
  body: string
  /** `whsec_…`, the present one first: the request is signed with each. */
  secrets: readonly string[]
}

/** Posts one request. Rejects only when `signal` aborts. */
export type SendWebhook = (request: WebhookRequest, signal: AbortSignal) => Promise<WebhookAnswer>

export interface RoundDeps {
  client: Redis
  keys: Keys
  log: Log
  vault: Vault
  send: SendWebhook
  /** Aborts when no further request is to begin. */
  stopping: AbortSignal
  /** Aborts when requests in progress are to end. */
  cut: AbortSignal
}

/** Makes what serves an endpoint for a while: sends what is due, a few at once, and writes what came of each. */
export function createRound(deps: RoundDeps): (id: string) => Promise<void> {
  const { client, keys, log, vault, stopping, cut } = deps

  async function serve(id: string): Promise<void> {
    const endsAt = performance.now() + ROUND_MS
    let next: 'more' | 'idle' | 'blocked' = 'more'
    while (next === 'more' && performance.now() < endsAt && !stopping.aborted) next = await serveSome(id)
    await runScript(client, 'fleetHookIndex', keys.hook(id), [keys.prefix, id, next === 'blocked' ? BLOCKED_MS : 0])
  }

  /** `more`: there may be more to do at once. Read anew each time: a deleted endpoint gets nothing more. */
  async function serveSome(id: string): Promise<'more' | 'idle' | 'blocked'> {
    const [fields, now] = await Promise.all([client.hgetall(keys.hook(id)), timeOf(client)])
    const endpoint = readRecord(fields)
    if (endpoint === undefined) {
      if (fields['tenant'] !== undefined) log.error({ webhook: id }, 'the record of a webhook is broken')
      return 'blocked'
    }
    if (!endpoint.enabled) return (await giveUpOld(id, now)) ? 'more' : 'idle'
    if (Number(fields['restUntil'] ?? 0) > now) return 'idle'
    const secrets = secretsOf(id, endpoint, now)
    if (secrets.length === 0) return 'blocked'
    const probing = endpoint.failures >= PROBE_AFTER
    const due = await client.zrangebyscore(keys.hookDue(id), '-inf', now, 'LIMIT', 0, probing ? 1 : AT_ONCE)
    await Promise.all(due.map((delivery) => attempt(id, endpoint, delivery, secrets, now)))
    return due.length > 0 && !probing ? 'more' : 'idle'
  }

  function secretsOf(id: string, { tenant, secrets }: WebhookRecord, now: number): string[] {
    try {
      return secrets
        .filter(({ until }) => until === undefined || until > now)
        .map(({ sealed }) => vault.open(sealed, ownerOf(tenant, id)))
    } catch (err) {
      // The operator has to bring the key back; what waits stays.
      log.error({ err, webhook: id }, 'a webhook cannot be signed')
      return []
    }
  }

  async function attempt(id: string, endpoint: WebhookRecord, delivery: string, secrets: string[], now: number) {
    const found = readDelivery(await client.hgetall(keys.delivery(delivery)))
    if (found === undefined || found.endpoint !== id) {
      log.error({ webhook: id, delivery }, 'a delivery of a webhook is broken or gone')
      await settle(id, delivery, -1, broken)
      return
    }
    let answer: WebhookAnswer
    try {
      answer = await deps.send({ url: endpoint.url, id: delivery, body: bodyOf(found), secrets }, cut)
    } catch (err) {
      // The process stops: whoever comes after makes the request again, and no try is counted.
      if (cut.aborted) return
      log.error({ err, webhook: id }, 'a webhook could not be sent')
      answer = { type: 'unreachable', reason: 'the request could not be made' }
    }
    const { attempts } = found
    const ageMs = now - found.at
    const verdict = judge(answer, { attempts, failures: endpoint.failures, ageMs, random: Math.random() })
    await settle(id, delivery, attempts, verdict)
    if (verdict.status === 'failed') {
      log.warn({ webhook: id, delivery, error: verdict.error }, 'a delivery of a webhook was given up')
    }
  }

  async function giveUpOld(id: string, now: number): Promise<boolean> {
    const due = await client.zrange(keys.hookDue(id), '0', String(AT_ONCE * 25))
    let given = 0
    for (const delivery of due) {
      const found = readDelivery(await client.hgetall(keys.delivery(delivery)))
      if (found !== undefined && now - found.at < DELIVERY_MAX_AGE_MS) continue
      const error = 'the webhook was disabled'
      await settle(id, delivery, found?.attempts ?? -1, { ...broken, error })
      given += 1
    }
    return given > 0
  }

  async function settle(id: string, delivery: string, attempts: number, verdict: Verdict & { unsent?: boolean }) {
    const { status, statusCode = '', error = '', delayMs, restMs, disable = '', unsent = false } = verdict
    const told = [delivery, attempts, status, statusCode, error, delayMs, restMs, disable, unsent ? '1' : '0']
    await runScript(client, 'fleetHookSettle', keys.hook(id), [keys.prefix, id, ...told])
  }

  return serve
}

/** Given up without a try. */
const broken: Verdict & { unsent: boolean } = {
  status: 'failed',
  delayMs: 0,
  restMs: 0,
  disable: undefined,
  statusCode: undefined,
  error: undefined,
  unsent: true,
}

/** ms since the epoch, by the clock of Redis. */
export async function timeOf(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time()
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}
