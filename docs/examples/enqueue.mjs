import { FleetClient } from '@claude-fleet/client'

const fleet = await FleetClient.connect({ url: process.env.FLEET_URL, apiKey: process.env.FLEET_API_KEY })
try {
  // The key makes the call safe to repeat: the same key and body give the same job, for 24 hours.
  const job = await fleet.enqueue({ prompt: 'Say hello' }, { idempotencyKey: 'order-4711-node' })
  for await (const event of job.events()) {
    if (event.type === 'text') process.stdout.write(event.text)
    // What came since the last `started`, `tool_use` or `text_reset` is void, and comes again.
    if (event.type === 'text_reset') process.stdout.write('\n(again)\n')
  }
  const result = await job.result() // throws FleetError: code, retryable, jobId
  console.log(`\n${result.numTurns} turn(s), ${result.costUsd} USD`)

  const unwanted = await fleet.enqueue({ prompt: 'Never mind', delayMs: 60_000 })
  await unwanted.cancel()
} finally {
  await fleet.close()
}
