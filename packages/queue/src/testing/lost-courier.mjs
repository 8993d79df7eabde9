// A courier that tells its parent the id of its first request and never gets an answer to it. Arguments: Redis URL,
// prefix, key of the secrets in hex. Plain node runs it, so it imports what is built.
import { connectRedis } from '../../dist/redis/connect.js'
import { createCourier } from '../../dist/webhooks/courier.js'

const [url, prefix, key] = process.argv.slice(2)
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const redis = await connectRedis({ url, name: 'lost-courier', mode: 'worker', log })
const send = ({ id }) => {
  process.send(id)
  return new Promise(() => {})
}
const options = { prefix, secretKeys: [Buffer.from(key, 'hex')] }
await createCourier({ redis, log, send }, options, { lockMs: 500, stalledMs: 200 }).start()
