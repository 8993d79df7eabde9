import { createHash, randomBytes } from 'node:crypto'
import { checkedFetch, readConformance } from '@claude-fleet/conformance'
import { parseApiKeys, type ApiSettings } from '@claude-fleet/core'
import { connectRedis, createConsumer, type AttemptOutcome, type Claim } from '@claude-fleet/queue'
import { pino, type Logger } from 'pino'
import { startApi, type ApiOptions, type ApiService } from '../server.js'

export const QUIET = pino({ level: 'silent' })

/** One API under a Redis prefix of its own, with a way to run its jobs. Ends all it started when disposed. */
export interface TestApi extends AsyncDisposable {
  service: ApiService
  settings: ApiSettings
  /**
   * `path` under the API, with `headers` as given; a `json` body is sent as a POST. Rejects when the reply is not what
   * the API's own document tells; of a stream, disposing does.
   */
  ask: (path: string, init?: RequestInit & { json?: unknown }) => Promise<Response>
  /** Enqueues `{prompt}` and gives the id. */
  enqueue: (prompt?: string) => Promise<string>
  consume: (run: (claim: Claim) => Promise<AttemptOutcome>) => Promise<void>
}

export async function startTestApi(
  redisUrl: string,
  options: ApiOptions & { keys?: string; log?: Logger; settings?: Partial<ApiSettings> } = {},
): Promise<TestApi> {
  const settings: ApiSettings = {
    host: '127.0.0.1',
    port: 0,
    keys: parseApiKeys('FLEET_API_KEYS', options.keys ?? ''),
    policy: { allowedEnv: new Set(['LANG']), permissionModes: new Set(['default', 'dontAsk', 'acceptEdits', 'plan']) },
    redisUrl,
    prefix: `t${randomBytes(6).toString('hex')}`,
    logLevel: 'silent',
    retentionMs: 60_000,
    jobKeys: [],
    keysFile: undefined,
    tenants: undefined,
    auditLog: undefined,
    limits: { requestsPerSecond: 0, streams: 0 },
    webhooks: { secretKeys: [], allow: [] },
    sessionTtlMs: 604_800_000,
    ...options.settings,
  }
  const service = await startApi(settings, { log: options.log ?? QUIET }, options)
  const closers: (() => Promise<void>)[] = [() => service.stop()]
  const checked = checkedFetch(await readConformance(service.url))

  const ask: TestApi['ask'] = (path, { json, ...init } = {}) => {
    const post = { method: 'POST', body: JSON.stringify(json), ...init }
    const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string> | undefined) }
    return checked.fetch(service.url + path, json === undefined ? init : { ...post, headers })
  }

  return {
    service,
    settings,
    ask,
    async enqueue(prompt = 'say hello') {
      const reply = await ask('/v1/jobs', { json: { prompt } })
      return ((await reply.json()) as { id: string }).id
    },
    async consume(run) {
      const redis = await connectRedis({ url: redisUrl, name: 'test-worker', mode: 'worker' })
      const { prefix, retentionMs } = settings
      const consumer = createConsumer(
        { redis, log: QUIET, run },
        { prefix, retentionMs, workerId: 'w1', concurrency: 4 },
      )
      closers.unshift(async () => {
        await consumer.stop(0)
        await redis.close()
      })
      await consumer.start()
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close()
      if (checked.faults().length > 0) throw new Error(checked.faults().join('\n'))
    },
  }
}

/** The setting for one key, as an operator writes it. */
export function keyEntry(tenant: string, key: string, scopes?: string): string {
  const sha256 = createHash('sha256').update(key).digest('hex')
  return [tenant, sha256, ...(scopes === undefined ? [] : [scopes])].join(':')
}
