// A ticker that dies by SIGKILL at one point of the way of a schedule's time. Arguments: Redis URL, prefix, the point. Plain
// node runs it, so it imports what is built.
import { Job, Queue } from 'bullmq'
import { clientOf, connectRedis } from '../../dist/redis/connect.js'
import { createTicker } from '../../dist/schedules/ticker.js'

const [url, prefix, point] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const die = () => process.kill(process.pid, 'SIGKILL')
const redis = await connectRedis({ url, name: 'crash', mode: 'worker', log })
const points = {
  'time | record': () => (clientOf(redis).fleetTick = die),
  'record | queue': () => (Queue.prototype.add = die),
  'queue | end': () => (Job.prototype.moveToCompleted = die),
}
points[point]()
const timing = { lockMs: 800, stalledMs: 200, mendMs: 60_000 }
await createTicker({ redis, log }, { prefix, retentionMs: 60_000 }, { timing }).start()
process.send('ready')
