// A worker process in which a job whose prompt is `poison` kills the process, 50 ms after it began; others end after
// 1.2 s. Arguments: Redis URL, prefix, worker id. Tells its parent what it begins. Plain node runs it, so it imports
// what is built.
import { createConsumer } from '../../dist/consumer/consumer.js'
import { connectRedis } from '../../dist/redis/connect.js'

const [url, prefix, workerId] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const redis = await connectRedis({ url, name: workerId, mode: 'worker', log })
const timing = {
  lockMs: 800,
  renewMs: 200,
  doubtMs: 500,
  cutOffMs: 700,
  holdMs: 60_000,
  reapMs: 50,
  gapMs: 2_000,
}
const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheCreationTokens: 0 }
const sums = { costUsd: 0.1, usage, tools: {} }
const run = async (claim) => {
  claim.write({ type: 'started', worker: workerId, sessionId: 'session', start: 'cold' })
  process.send({ prompt: claim.spec.prompt, attempt: claim.attempt })
  if (claim.spec.prompt === 'poison') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  const { attempt, queueMs } = claim
  const result = { text: '', sessionId: 's', numTurns: 1, durationMs: 1, queueMs, attempt, start: 'cold', usage }
  const rest = { costUsd: 0.1, model: 'm', tools: {}, permissionDenials: [], worker: workerId }
  return {
    ...sums,
    type: 'completed',
    firstTextMs: 1,
    result: { ...result, ...rest, log: { lines: 0, errors: 0, warnings: 0 } },
  }
}
const options = { prefix, workerId, concurrency: 4, retentionMs: 60_000 }
await createConsumer({ redis, log, run }, options, timing).start()
