import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobSpecSchema, type JobInput } from '@claude-fleet/core'
import { connectRedis, createProducer } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { pino } from 'pino'
import { startBoard } from '../server.js'

export const LOGIN = { user: 'operator', password: 'a long password' }

/** A site on a Redis of its own. */
export async function startTestBoard() {
  const dataDir = await mkdtemp(join(tmpdir(), 'fleet-board-test-'))
  const server = await startEmbeddedRedis({
    dataDir,
    cacheDir: join(homedir(), '.cache', 'claude-fleet'),
    persistence: false,
  })
  const prefix = `t${randomBytes(6).toString('hex')}`
  const log = pino({ level: 'silent' })
  const settings = {
    redisUrl: server.url,
    prefix,
    logLevel: 'silent',
    retentionMs: 60_000,
    jobKeys: [],
    auditLog: undefined,
  }
  const board = await startBoard({ ...settings, ...LOGIN, host: '127.0.0.1', port: 0 }, { log })
  const redis = await connectRedis({ url: server.url, name: 'test', mode: 'api' })
  const producer = createProducer({ redis, log }, settings)
  const basic = `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}`
  return {
    url: board.url,
    /** As the signed-in operator, unless the headers say otherwise. */
    ask: (path: string, { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {}) =>
      fetch(board.url + path, { method, headers: { authorization: basic, ...headers } }),
    enqueue: async (tenant: string, input: JobInput) =>
      (await producer.enqueue({ tenant, spec: jobSpecSchema.parse(input) })).job.id,
    async stop() {
      await board.stop()
      await producer.close()
      await redis.close()
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
