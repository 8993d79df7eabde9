import { createServer } from 'node:http'
import { FleetClient, verifyWebhook } from '@claude-fleet/client'

const secret = process.env.WEBHOOK_SECRET // whsec_..., shown when the endpoint was made
const fleet = await FleetClient.connect({ url: process.env.FLEET_URL, apiKey: process.env.FLEET_API_KEY })
const seen = new Set() // keep these ids for some days in a database: an event may come twice

async function receive(req, res) {
  const chunks = []
  for await (const chunk of req) chunks.push(chunk)
  let event
  try {
    // The bytes as they came: JSON that was parsed and written again does not fit its signature.
    event = verifyWebhook(req.headers, Buffer.concat(chunks), secret)
  } catch (error) {
    // An event of a kind that this version does not know is none of ours, and need not come again.
    res.writeHead(error.code === 'INVALID_REQUEST' ? 204 : 401).end()
    return
  }
  // Answer at once, work then: after 15 s the fleet takes the request for failed and sends it again.
  res.writeHead(204).end()
  const id = req.headers['webhook-id']
  if (seen.has(id)) return
  seen.add(id)
  if (event.type === 'job.completed') {
    const { result } = await fleet.job(event.data.id).get()
    console.log(`${event.data.metadata?.ticket ?? event.data.id}: ${result.text}`)
  } else {
    console.log(event.type)
  }
}

const server = createServer((req, res) => {
  receive(req, res).catch((error) => {
    console.error(error)
    res.destroy()
  })
})
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`)
})
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void fleet.close()
})
