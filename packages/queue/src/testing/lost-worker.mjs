// A worker process that begins a job and never ends it. Arguments: Redis URL, prefix. Tells its parent when it has
// begun. Plain node runs it, so it imports what is built.
import { createConsumer } from '../../dist/consumer/consumer.js'
import { connectRedis } from '../../dist/redis/connect.js'

const [url, prefix] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const redis = await connectRedis({ url, name: 'lost', mode: 'worker', log })
const timing = {
  lockMs: 1_500,
  renewMs: 300,
  doubtMs: 1_000,
  cutOffMs: 1_300,
  holdMs: 60_000,
  reapMs: 100,
  gapMs: 600,
}
const run = async (claim) => {
  claim.write({ type: 'started', worker: 'lost', sessionId: 'session', start: 'cold' })
  claim.write({ type: 'text', text: 'so far' })
  setTimeout(() => process.send('claimed'), 200)
  return new Promise(() => {})
}
const options = { prefix, workerId: 'lost', concurrency: 1, retentionMs: 60_000 }
await createConsumer({ redis, log, run }, options, timing).start()
