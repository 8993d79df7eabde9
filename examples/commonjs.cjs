// Node 20.19, 22.12 and newer. Older ones: `const { FleetClient } = await import('@claude-fleet/client')`.
const { FleetClient } = require('@claude-fleet/client')

async function main() {
  const fleet = await FleetClient.connect({
    url: process.env['FLEET_URL'] ?? 'http://127.0.0.1:3000',
    apiKey: process.env['FLEET_API_KEY'],
  })
  try {
    const job = await fleet.enqueue({ prompt: 'Say hello' })
    console.log((await job.result()).text)
  } finally {
    await fleet.close()
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
