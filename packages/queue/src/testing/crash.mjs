// A process that dies by SIGKILL at one point of a job's way. Arguments: Redis URL, prefix, the point. Plain node runs it,
// so it imports what is built.
import { Job, Queue } from 'bullmq'
import { jobSpecSchema } from '@claude-fleet/core'
import { createConsumer } from '../../dist/consumer/consumer.js'
import { createProducer } from '../../dist/jobs/producer.js'
import { clientOf, connectRedis } from '../../dist/redis/connect.js'

const [url, prefix, point] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const die = () => process.kill(process.pid, 'SIGKILL')
const redis = await connectRedis({ url, name: 'crash', mode: 'worker', log })
const client = clientOf(redis)
const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheCreationTokens: 0 }
const sums = { costUsd: 0.1, usage, tools: {} }

function completed({ attempt, queueMs }) {
  const result = { text: '', sessionId: 's', numTurns: 1, durationMs: 1, queueMs, attempt, start: 'cold', usage }
  const rest = { costUsd: 0.1, model: 'm', tools: {}, permissionDenials: [], worker: 'crash' }
  const lines = { lines: 0, errors: 0, warnings: 0 }
  return { ...sums, type: 'completed', firstTextMs: 1, result: { ...result, ...rest, log: lines } }
}

function retry({ attempt }) {
  const error = { code: 'OVERLOADED', message: 'busy', retryable: true, attempt, details: {} }
  return { ...sums, type: 'retry', error, delayMs: 200 }
}

const points = {
  'record | queue': () => (Queue.prototype.add = die),
  'claim | begin': () => (client.fleetBegin = die),
  'begin | run': () => {},
  'run | seal': () => (client.fleetSettle = die),
  'seal | queue': () => (Job.prototype.moveToCompleted = die),
  'retry | queue': () => (Job.prototype.moveToDelayed = die),
}
points[point]()

if (point === 'record | queue') {
  const producer = createProducer({ redis, log }, { prefix, retentionMs: 60_000 })
  await producer.enqueue({ tenant: 'acme', spec: jobSpecSchema.parse({ prompt: 'x' }), idempotencyKey: 'k' })
}
const run = async (claim) => {
  if (point === 'begin | run') die()
  return point === 'retry | queue' ? retry(claim) : completed(claim)
}
const timing = { lockMs: 800, renewMs: 200, doubtMs: 500, cutOffMs: 700, holdMs: 60_000, reapMs: 50, gapMs: 2_000 }
const options = { prefix, workerId: 'crash', concurrency: 1, retentionMs: 60_000 }
await createConsumer({ redis, log, run }, options, timing).start()
