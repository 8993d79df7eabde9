// A worker process that begins jobs and never ends them, at the real lock times. Arguments: Redis URL, prefix, worker id.
// Tells its parent what it begins and what becomes of the lock.
import { connectRedis, createConsumer } from '@claude-fleet/queue'

const [url, prefix, workerId] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const redis = await connectRedis({ url, name: workerId, mode: 'worker', log })
const tell = (word, claim) => process.send({ word, id: claim.jobId, attempt: claim.attempt, at: Date.now() })
const run = (claim) => {
  tell('begun', claim)
  claim.write({ type: 'started', worker: workerId, sessionId: 'session', start: 'cold' })
  claim.lock.onChange((state) => tell(state, claim))
  claim.signal.addEventListener('abort', () => tell(claim.signal.reason.kind, claim))
  return new Promise(() => {})
}
const options = { prefix, workerId, concurrency: 10, retentionMs: 600_000 }
await createConsumer({ redis, log, run }, options).start()
