import { FleetClient } from '@claude-fleet/client'

// A service that did not enqueue the job: its id came by a message, a table or a webhook.
const [id = '', after = '0'] = process.argv.slice(2)
const fleet = await FleetClient.connect({
  url: process.env['FLEET_URL'] ?? 'http://127.0.0.1:3000',
  apiKey: process.env['FLEET_API_KEY'],
})
try {
  // From the start, however late this is. A service that keeps `seq` goes on behind it after its own restart.
  for await (const event of fleet.job(id).events({ after: Number(after) })) {
    const text = event.type === 'text' ? ` ${JSON.stringify(event.text)}` : ''
    console.log(`${event.seq} ${event.type}${text}`)
  }
} finally {
  await fleet.close()
}
